//! gox-server: type OWNER/REPO, get the Go program, compiled for your machine.
//!
//! The rooms, in reading order. `handler` tells the story of a request on one screen; ARCHITECTURE.md is the map.

pub mod answer;
pub mod asked;
pub mod build;
pub mod config;
pub mod doctor;
pub mod doors;
pub mod golang;
pub mod handler;
pub mod refusals;
pub mod request;
pub mod sandbox;
pub mod store;
