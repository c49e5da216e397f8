// SPDX-License-Identifier: GPL-2.0

//! A debugfs tree whose files pin the module and show one snapshot per read.
//!
//!   open  -> `Opened` (module reference held until the last close)
//!   read  at offset 0 -> the view is printed once into `Opened::text`; later reads continue in it
//!   write -> one call of `File::write` with the whole input, bounded by `MAX_WRITE`
//!
//! `kernel::debugfs` leaves `file_operations::owner` unset. A file that is open while its
//! module goes away is then released through freed module memory (`full_proxy_release()` reads
//! `real_fops->release`), and a `seq_file` view runs again from the start each time its buffer was
//! too small, so that its parts need not fit together. Both are why this file exists; with the
//! owner set, `rmmod` answers "in use" instead.
//!
//! # Locking     `Opened::text` is a mutex of one open file; a view may sleep and allocates.
//! # Cost        a read at offset 0 prints the view; every other read copies.
//! # Limits      no `poll`, no `mmap`; a view larger than memory answers ENOMEM.
//! # Reference   `fs/debugfs/file.c`: `full_proxy_open_regular()`, `debugfs_file_get()`.

mod folder;

use core::{
    fmt,
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    new_mutex,
    prelude::*,
    str::CStr,
    sync::{
        Arc,
        Mutex, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

use super::{
    compat::THIS_MODULE,
    quietly, //
};

pub use folder::Folder;

/// The longest input one write may carry, in bytes; longer ones answer E2BIG.
pub const MAX_WRITE: usize = 64 << 10;

/// One file of a [`Tree`] over the state `S`.
pub trait File<S: Send + Sync + 'static>: 'static {
    /// The file's name in its directory.
    const NAME: &'static CStr;
    /// 0o400, 0o200 or 0o600; what the mode forbids is not called.
    const MODE: u16 = 0o400;

    /// Prints the whole file.
    ///
    /// # Errors
    ///
    /// Any error becomes the reader's errno; when `out` found no memory that is ENOMEM.
    fn read(_state: &S, _out: &mut Text) -> Result {
        Err(EACCES)
    }

    /// Takes one write, at most [`MAX_WRITE`] bytes.
    ///
    /// # Errors
    ///
    /// Any error becomes the writer's errno.
    fn write(_state: &S, _input: &[u8]) -> Result {
        Err(EACCES)
    }

    /// Is told of a write that was longer than [`MAX_WRITE`] and has been refused.
    fn refuse(_state: &S, _length: usize) {}
}

/// Text that grows fallibly as it is printed.
pub struct Text {
    bytes: KVVec<u8>,
    // `fmt::Error` carries no errno; this tells "no memory" from whatever else it may mean.
    out_of_memory: bool,
}

impl Text {
    /// An empty text; allocates nothing yet.
    pub const fn new() -> Self {
        Self {
            bytes: KVVec::new(),
            out_of_memory: false,
        }
    }

    /// The bytes printed so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the text, keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.out_of_memory = false;
    }

    /// ENOMEM if anything printed did not find memory.
    pub fn complete(&self) -> Result {
        if self.out_of_memory {
            return Err(ENOMEM);
        }
        Ok(())
    }

    /// Makes room for `more` bytes, so that printing them does not fail.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn reserve(&mut self, more: usize) -> Result {
        Ok(self.bytes.reserve(more, quietly())?)
    }

    /// Adds bytes as they are.
    ///
    /// # Errors
    ///
    /// ENOMEM; the text is unchanged then.
    pub fn push(&mut self, bytes: &[u8]) -> Result {
        self.bytes.extend_from_slice(bytes, quietly())?;
        Ok(())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes()).map_err(|_| {
            self.out_of_memory = true;
            fmt::Error
        })
    }
}

/// What one open file holds: the text of its last read at offset 0.
#[pin_data]
struct Opened {
    #[pin]
    text: Mutex<Text>,
}

/// What must be closed before a tree goes.
type Folders = KVec<Arc<dyn folder::Close>>;

/// A directory tree under debugfs with the state its files show; dropping it removes the files
/// first, then the state.
///
/// # Invariants
///
/// `root` is a directory that this tree created; every file below it has an `i_private` that
/// points at the `S` in `state`.
pub struct Tree<S: Send + Sync + 'static> {
    root: NonNull<bindings::dentry>,
    folders: Pin<KBox<Mutex<Folders>>>,
    state: Pin<KBox<S>>,
}

// SAFETY: The dentry is only handed to debugfs functions, which lock for themselves, and `S` may
// be sent.
unsafe impl<S: Send + Sync + 'static> Send for Tree<S> {}

// SAFETY: `&Tree` gives out `&S`, which is `Sync`, and directories, whose functions lock for
// themselves.
unsafe impl<S: Send + Sync + 'static> Sync for Tree<S> {}

/// A directory of a [`Tree`] that is being filled.
pub struct Dir<'a, S: Send + Sync + 'static> {
    dentry: NonNull<bindings::dentry>,
    tree: &'a Tree<S>,
}

impl<S: Send + Sync + 'static> Tree<S> {
    /// Creates the directory `name` at debugfs's root; every file in it will show `state`.
    ///
    /// # Errors
    ///
    /// EEXIST if the name is taken, ENODEV without debugfs, ENOMEM.
    pub fn new(name: &'static CStr, state: Pin<KBox<S>>) -> Result<Self> {
        Self::made(create_dir(name, core::ptr::null_mut())?, state)
    }

    /// A tree over a directory that was made for it just now, and is empty.
    fn made(root: NonNull<bindings::dentry>, state: Pin<KBox<S>>) -> Result<Self> {
        let folders = KBox::pin_init(new_mutex!(KVec::new(), "oxmm::folders"), GFP_KERNEL);
        // INVARIANT: the directory is new and has no file yet.
        folders
            .map(|folders| Self {
                root,
                folders,
                state,
            })
            .inspect_err(|_| {
                // SAFETY: The directory is ours, and nobody else knows of it yet.
                unsafe { bindings::debugfs_remove(root.as_ptr()) }
            })
    }

    /// The top directory.
    pub fn root(&self) -> Dir<'_, S> {
        Dir {
            dentry: self.root,
            tree: self,
        }
    }
}

impl<S: Send + Sync + 'static> Drop for Tree<S> {
    fn drop(&mut self) {
        // Out of the lock, which a folder's own trees take inside of the folder's.
        let folders = core::mem::take(&mut *self.folders.lock());
        for folder in folders.iter() {
            folder.close();
        }
        // SAFETY: By the invariant `root` is ours. The call waits for the callbacks that are
        // running, and lets no new one start, so that none sees `state` after this.
        unsafe { bindings::debugfs_remove(self.root.as_ptr()) };
    }
}

impl<'a, S: Send + Sync + 'static> Dir<'a, S> {
    /// The state behind the files of the tree.
    pub fn state(&self) -> &'a S {
        &self.tree.state
    }

    /// Creates the directory `name` in this one.
    ///
    /// # Errors
    ///
    /// EEXIST, ENOMEM.
    pub fn dir(&self, name: &'static CStr) -> Result<Dir<'a, S>> {
        Ok(Dir {
            dentry: create_dir(name, self.dentry.as_ptr())?,
            tree: self.tree,
        })
    }

    /// Creates the directory `name` in this one, for subdirectories with states of their own.
    ///
    /// # Errors
    ///
    /// EEXIST, ENOMEM.
    pub fn folder<T: Send + Sync + 'static>(&self, name: &'static CStr) -> Result<Arc<Folder<T>>> {
        // The tree closes it before it removes the directory.
        let folder = Folder::new(create_dir(name, self.dentry.as_ptr())?)?;
        self.tree.folders.lock().push(folder.clone(), GFP_KERNEL)?;
        Ok(folder)
    }

    /// Creates the file `F` in this directory.
    ///
    /// # Errors
    ///
    /// EEXIST, ENOMEM.
    pub fn file<F: File<S>>(&self) -> Result {
        // INVARIANT: `i_private` is the `S` in the tree's box, which is pinned and outlives the
        // file.
        let state: *const S = &*self.tree.state;
        // SAFETY: The name is a C string, the parent a live directory, and the operations are
        // a constant of this module, which an open file pins through `owner`.
        let dentry = unsafe {
            bindings::debugfs_create_file_full(
                F::NAME.as_char_ptr(),
                F::MODE,
                self.dentry.as_ptr(),
                state.cast_mut().cast(),
                core::ptr::null(),
                &Operations::<S, F>::TABLE,
            )
        };
        checked(dentry).map(|_| ())
    }
}

fn create_dir(name: &CStr, parent: *mut bindings::dentry) -> Result<NonNull<bindings::dentry>> {
    // SAFETY: `name` is a C string; `parent` is a live directory or null for debugfs's root.
    checked(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent) })
}

/// Turns debugfs's error pointers into errors.
fn checked(dentry: *mut bindings::dentry) -> Result<NonNull<bindings::dentry>> {
    NonNull::new(from_err_ptr(dentry)?).ok_or(ENODEV)
}

/// The C operations of the file `F` over the state `S`.
///
/// Each of them is called by debugfs alone, with a file of a live [`Tree<S>`]; debugfs delays the
/// tree's removal while one of them runs, `release` excepted.
struct Operations<S, F>(PhantomData<(S, F)>);

impl<S: Send + Sync + 'static, F: File<S>> Operations<S, F> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: THIS_MODULE,
        open: Some(Self::open),
        read: Some(Self::read),
        write: Some(Self::write),
        llseek: Some(bindings::default_llseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` is being opened or is open, and is a file of a live `Tree<S>`.
    unsafe fn state<'a>(file: *mut bindings::file) -> &'a S {
        // SAFETY: An open file has an inode.
        let inode = unsafe { (*file).f_inode };
        // SAFETY: By the invariant of `Tree`, `i_private` points at the tree's `S`, and debugfs
        // keeps the tree while a callback, which is all that `'a` is used for, runs.
        unsafe { &*(*inode).i_private.cast::<S>() }
    }

    /// Opens the file: makes room for its text.
    ///
    /// # Safety
    ///
    /// Called by debugfs alone, as said at [`Operations`].
    unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        let opened = KBox::pin_init(
            pin_init!(Opened { text <- new_mutex!(Text::new(), "oxmm::opened") }),
            GFP_KERNEL,
        );
        match opened {
            Ok(opened) => {
                // SAFETY: `file` is being opened, nobody else sees it; `release` takes the box back.
                unsafe { (*file).private_data = opened.into_foreign() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// Prints the view at offset 0, then copies out of that text.
    ///
    /// # Safety
    ///
    /// Called by debugfs alone, as said at [`Operations`].
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        to: *mut c_char,
        count: usize,
        ppos: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: `open` stored a box there, and `release` cannot run before this returns.
        let opened = unsafe { Pin::<KBox<Opened>>::borrow((*file).private_data) };
        // SAFETY: `file` is open, and debugfs keeps its tree meanwhile.
        let state = unsafe { Self::state(file) };
        let mut text = opened.text.lock();
        // SAFETY: `ppos` is this call's own position.
        if unsafe { *ppos } == 0 {
            text.clear();
            let shown = F::read(state, &mut text);
            if let Err(error) = text.complete().and(shown) {
                text.clear();
                return error.to_errno() as isize;
            }
        }
        let bytes = text.as_bytes();
        // SAFETY: `to` and `count` are the reader's, checked by the callee; `bytes` stays as it
        // is while `text` is locked.
        unsafe {
            bindings::simple_read_from_buffer(
                to.cast(),
                count,
                ppos,
                bytes.as_ptr().cast(),
                bytes.len(),
            )
        }
    }

    /// Takes the whole input of one write.
    ///
    /// # Safety
    ///
    /// Called by debugfs alone, as said at [`Operations`].
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        from: *const c_char,
        count: usize,
        _ppos: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: `file` is open, and debugfs keeps its tree meanwhile.
        let state = unsafe { Self::state(file) };
        let from = UserPtr::from_ptr(from.cast_mut().cast::<c_void>());
        match Self::copy_in_and_write(state, from, count) {
            // CAST: `count` is at most `MAX_WRITE`.
            Ok(()) => count as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    fn copy_in_and_write(state: &S, from: UserPtr, count: usize) -> Result {
        if count > MAX_WRITE {
            F::refuse(state, count);
            return Err(E2BIG);
        }
        let mut input = KVVec::with_capacity(count, GFP_KERNEL)?;
        UserSlice::new(from, count).read_all(&mut input, GFP_KERNEL)?;
        F::write(state, &input)
    }

    /// Frees what `open` made.
    ///
    /// # Safety
    ///
    /// Called by debugfs alone, as said at [`Operations`].
    unsafe extern "C" fn release(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open` stored this box there, and this is the file's last callback.
        drop(unsafe { Pin::<KBox<Opened>>::from_foreign((*file).private_data) });
        0
    }
}
