//! Runs a process tree in a cell, with limited rights, time and output, and always cleans it up. Independent of what runs in it.
//!
//! gox-server executes itself as `gox-server enter PARENT CELL -- PROGRAM …`. That process restricts itself in the order of
//! [`enter::FIRST_STEP`], [`enter::STEPS`] and [`enter::LAST_STEP`], then calls exec. It has one thread, so nothing has to be
//! async-signal-safe.

#![allow(unsafe_code)] // The only module with unsafe code. Each block has its proof.

pub mod cell;
pub mod enter;
pub mod landlock;
pub mod layer;
pub mod layers;
pub mod limits;
mod oom;
pub mod probe;
pub mod process;
pub mod seccomp;
pub mod self_exe;
pub mod session;
pub mod supervise;
