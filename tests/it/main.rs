//! Tests of behaviour through the real executable, one module a subject.

mod cache;
mod damage;
mod data;
mod language;
mod output;
mod pipelines;
mod project;
mod sweep;
mod tidy;
