# Short verbs; CI runs `just ci`'s script directly.

# what a visitor runs first
demo:
    cargo run --release -- demo

# model-check the protocols; `just check chain --deep`
check *args:
    cargo run --release -- check {{args}}

# the controls: protocols that lack one mechanism
mutants:
    cargo run --release -- check --mutants

# all tests
test:
    cargo test --release --workspace

# format and lint
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --release -- -D warnings

# the documentation, opened
doc:
    cargo doc --workspace --no-deps --open

# a cluster of three on this machine
cluster *args:
    cargo run --release -- cluster chain {{args}}

# load two million keys into a running cluster, and look at its nodes' memory
million:
    cargo run --release -p chainring-examples --bin million

# everything that CI asks for
ci:
    bash .ci/run
