// SPDX-License-Identifier: GPL-2.0

//! An allocator behind one interface, so that many can be measured in turn.
//!
//! The interface is called once a sample; the loops inside know the allocator's type.
//!
//! # Cost        a sample makes an allocator and drops it, outside of what is timed.
//! # Limits      one CPU may be served by another type than two, for there an allocator without a
//!               lock of its own needs none.

use crate::frag::{
    self,
    Turn,
    Whole, //
};
use crate::heap::Measurement;
use crate::pages::{
    Allocator,
    Pages, //
};
use crate::random::Random;
use crate::work::{
    self,
    Job, //
};
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::Instant;

/// What is measured. `None` says that the allocator does not offer it.
pub trait Subject {
    /// The name in the column `peer`.
    fn name(&self) -> &str;

    /// Does a job; the ns of an operation, a number for each of the job's figures.
    fn sample(&self, job: &Job) -> Option<Vec<f64>>;

    /// Returns the ns that it takes to make `nr_frames` frames free.
    fn set_up(&self, nr_frames: usize) -> Option<f64>;

    /// Returns the bytes that the state of `nr_frames` frames takes.
    fn state(&self, nr_frames: usize) -> Option<State>;

    /// Works at random on a part of the frames, and counts what is whole.
    fn fragment(&self, nr_frames: usize, turn: Turn) -> Option<Whole>;
}

/// The bytes of an allocator's state.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// With everything free.
    pub fresh: usize,
    /// With every second frame free, at random.
    pub scattered: usize,
}

/// The subject whose work is done by `One` on one CPU, by `Many` on more.
pub struct Of<One, Many> {
    name: &'static str,
    types: PhantomData<fn() -> (One, Many)>,
}

impl<One: Allocator + 'static, Many: Allocator + 'static> Of<One, Many> {
    /// Names it.
    pub fn boxed(name: &'static str) -> Box<dyn Subject> {
        let types = PhantomData;
        Box::new(Self { name, types })
    }
}

impl<One: Allocator, Many: Allocator> Subject for Of<One, Many> {
    fn name(&self) -> &str {
        self.name
    }

    fn sample(&self, job: &Job) -> Option<Vec<f64>> {
        match job.nr_cpus {
            1 => work::sample::<One>(job),
            _ => work::sample::<Many>(job),
        }
    }

    fn set_up(&self, nr_frames: usize) -> Option<f64> {
        let start = Instant::now();
        let allocator = black_box(One::new(nr_frames, 1)?);
        let ns = start.elapsed().as_secs_f64() * 1e9;
        drop(allocator);
        Some(ns)
    }

    fn state(&self, nr_frames: usize) -> Option<State> {
        let mut held = Vec::with_capacity(nr_frames);
        let measurement = Measurement::start();
        let allocator = One::new(nr_frames, 1)?;
        // What stands beside the heap counts too.
        let own = size_of::<One>();
        let fresh = own + measurement.bytes();
        let mut pages = allocator.cpu(0);
        while let Some(at) = pages.alloc(0) {
            held.push(at);
        }
        Random::new(1).shuffle(&mut held);
        for at in &held[..held.len() / 2] {
            pages.free(*at, 0);
        }
        let scattered = own + measurement.bytes();
        Some(State { fresh, scattered })
    }

    fn fragment(&self, nr_frames: usize, turn: Turn) -> Option<Whole> {
        match turn.nr_cpus {
            1 => frag::fragment::<One>(nr_frames, turn),
            _ => frag::fragment::<Many>(nr_frames, turn),
        }
    }
}
