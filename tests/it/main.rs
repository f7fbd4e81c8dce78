//! Tests of behaviour through the real executable, one module a subject.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that can't go on should stop")]
#![allow(clippy::panic, clippy::expect_used, reason = "a test that can't go on should stop")]

mod budget;
mod cache;
mod crowd;
mod damage;
mod data;
mod dirty;
mod disk;
mod events;
mod faults;
mod forecast;
mod gc;
mod golden;
mod init;
mod input;
mod inventory;
mod kinds;
mod language;
mod many;
mod messages;
mod mistakes;
mod open;
mod output;
mod parts;
mod peers;
mod pipelines;
mod programs;
mod project;
mod proof;
mod quality;
mod remote;
mod runs_diff;
mod runs_list;
mod runs_record;
mod runs_trace;
#[cfg(feature = "remote")]
mod s3;
mod saves;
mod scheduling;
mod schema;
mod screen;
mod segment;
mod shop;
mod sql;
mod still;
mod sweep;
mod sweep_ahead;
mod sweep_axes;
mod sweep_search;
mod synthetic;
mod tidy;
mod trace;
mod track;
mod value;
mod watch;
mod why;
