# Everyday commands; `just` lists them.

default:
    @just --list

# Check types while writing
check:
    cargo check --all-targets

# Format, lints and every test
test:
    tests/run

# The whole pipeline
full:
    cargo run --release -- run pipelines/full.toml
