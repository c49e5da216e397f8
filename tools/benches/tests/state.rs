// SPDX-License-Identifier: GPL-2.0

//! What an allocator's state takes is counted on the heap of the whole program, so this test is
//! alone in it.

use oxmm_benches::pages::{
    Allocator,
    Pages, //
};
use oxmm_benches::subject::Of;
use std::sync::{
    Mutex,
    PoisonError, //
};

/// The free frames on a stack, and a byte on the heap for each frame that is not free.
struct Stack(Mutex<(Vec<usize>, Vec<Vec<u8>>)>);

impl Allocator for Stack {
    type Cpu<'a> = &'a Self;

    const MAX_ORDER: u32 = 0;

    fn new(nr_frames: usize, _nr_cpus: usize) -> Option<Self> {
        let held = Vec::with_capacity(nr_frames);
        Some(Self(Mutex::new(((0..nr_frames).collect(), held))))
    }

    fn cpu(&self, _cpu: usize) -> &Self {
        self
    }
}

impl Pages for &Stack {
    fn alloc(&mut self, _order: u32) -> Option<usize> {
        let mut stack = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = stack.0.pop()?;
        stack.1.push(vec![1]);
        Some(at)
    }

    fn free(&mut self, at: usize, _order: u32) {
        let mut stack = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stack.0.push(at);
        stack.1.pop();
    }
}

/// Four words a frame from the start, and a byte more for each that is held.
#[test]
fn state_is_what_the_allocator_took_from_the_heap() {
    const NR_FRAMES: usize = 1 << 16;
    let subject = Of::<Stack, Stack>::boxed("stack");
    let state = subject.state(NR_FRAMES).unwrap();
    // The test's runner has a heap too, and may use it meanwhile.
    let about = |bytes: usize| bytes..bytes + 4096;
    let fresh = size_of::<Stack>() + NR_FRAMES * 32;
    assert!(about(fresh).contains(&state.fresh), "{state:?}");
    let scattered = fresh + NR_FRAMES / 2;
    assert!(about(scattered).contains(&state.scattered), "{state:?}");
}
