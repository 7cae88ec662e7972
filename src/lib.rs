//! gox-server: type OWNER/REPO, get the Go program, compiled for your machine.
//!
//! Modules in reading order. `handler` shows the path of a request on one screen; ARCHITECTURE.md is the overview.

pub mod handler;
pub mod request;
pub mod parse;
pub mod program_url;
pub mod request_errors;
pub mod policy;
pub mod default_go;
pub mod service;
pub mod program_page;
pub mod events;
pub mod sidecars;
pub mod miss;
pub mod installs;
pub mod badge;
pub mod version_list;
pub mod github_releases;
pub mod sbom;
pub mod advisories;
pub mod error;
pub mod response;
pub mod notices;
pub mod golang;
pub mod builder;
pub mod store;
pub mod object_store;
pub mod sandbox;
pub mod transport;
pub mod terminal;
pub mod server;
pub mod worker;
pub mod hidden_command;
pub mod verify;
pub mod detached;
pub mod init;
pub mod config;
pub mod journal;
pub mod text;
pub mod doctor;
pub mod manual;
