//! gox-server: type OWNER/REPO, get the Go program, compiled for your machine.
//!
//! The rooms, in reading order. `handler` tells the story of a request on one screen; ARCHITECTURE.md is the map.

pub mod handler;
pub mod request;
pub mod asked;
pub mod refusals;
pub mod meaning;
pub mod default_go;
pub mod service;
pub mod sidecars;
pub mod installs;
pub mod sbom;
pub mod advisories;
pub mod answer;
pub mod golang;
pub mod build;
pub mod store;
pub mod sandbox;
pub mod doors;
pub mod terminal;
pub mod verify;
pub mod detached;
pub mod first_process;
pub mod config;
pub mod journal;
pub mod doctor;
