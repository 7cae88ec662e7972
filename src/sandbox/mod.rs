//! One process tree, confined and always cleaned up. Knows no other room: what a cell holds is told to it.
//!
//! A cell is entered by re-executing gox-server (`gox-server enter CELL -- PROGRAM …`), which restricts itself, step
//! by step in the order that [`enter::STEPS`] prints, and then execs. It has one thread: nothing has to be safe between fork and exec.

#![allow(unsafe_code)] // The one room that has any; each block with its proof.

pub mod build_id;
pub mod cell;
pub mod enter;
pub mod include;
pub mod landlock;
pub mod layer;
pub mod layers;
pub mod limits;
mod oom;
pub mod own_binary;
pub mod probe;
pub mod process;
pub mod seccomp;
pub mod supervise;
pub mod tool;
