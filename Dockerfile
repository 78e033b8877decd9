# The image of both components: one static binary, nothing else; no shell to be had in it.
#
# `cargo xtask image` builds it. By hand, with any builder:
#   cargo build --release --locked --package rumpus-cli --target x86_64-unknown-linux-musl
#   docker build --tag rumpus:VERSION .
FROM scratch
# Where the binary lies in the build context.
ARG BINARY=target/x86_64-unknown-linux-musl/release/rumpus
COPY --chmod=0755 ${BINARY} /rumpus
# The controller's. The chart has the agent run as root, with six capabilities.
USER 65532:65532
ENTRYPOINT ["/rumpus"]
