# The image of kube-assay: one static binary. Build for both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 --provenance=true -t REGISTRY/kube-assay:VERSION \
#     --build-arg REVISION=$(git rev-parse HEAD) --push .
# What it is made of, as CycloneDX (a scanner sees nothing in a binary on an empty image):
#   docker buildx build --target sbom --output type=local,dest=. .
# Where no container builder exists: tests/real/job/image packs the same from a binary.

# the machine that builds compiles for each architecture: an emulated compiler takes many times as long
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS source
ARG TARGETARCH
# rustc brings musl and a linker; what is compiled from C (ring, zstd) needs a compiler and musl's headers
RUN set -eu; arch=${TARGETARCH:-$(dpkg --print-architecture)}; case $arch in amd64) cpu=x86_64 ;; arm64) cpu=aarch64 ;; *) echo "not for $arch"; exit 1 ;; esac; \
    dpkg --add-architecture $arch; apt-get update -qq; \
    compiler=gcc; [ "$(dpkg --print-architecture)" = $arch ] || compiler="gcc gcc-$(echo $cpu | tr _ -)-linux-gnu"; \
    apt-get install -qq --no-install-recommends ca-certificates libc6-dev $compiler musl-dev:$arch > /dev/null; \
    rustup target add $cpu-unknown-linux-musl; \
    echo "export CARGO_BUILD_TARGET=$cpu-unknown-linux-musl TARGET_CC=$cpu-linux-gnu-gcc" \
         "TARGET_CFLAGS=-specs=/usr/lib/$cpu-linux-musl/musl-gcc.specs" > /target
WORKDIR /source
COPY . .

FROM source AS build
# musl's own allocator is kept: docs/performance.md has what it costs, and an idle collector stays within 4 MiB with it.
# not position-independent: pages of the binary stay the file's, which an idle collector is measured by
ENV RUSTFLAGS="-C linker=rust-lld -C relocation-model=static"
RUN . /target && cargo build --release --features object-stores --locked && \
    cp target/$CARGO_BUILD_TARGET/release/kube-assay /kube-assay

FROM source AS components
RUN cargo install --locked --version 0.5.9 cargo-cyclonedx
RUN . /target && \
    cargo cyclonedx --format json --spec-version 1.5 --features object-stores --target $CARGO_BUILD_TARGET && \
    cp kube-assay.cdx.json /

FROM scratch AS sbom
COPY --from=components /kube-assay.cdx.json /

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kube-assay" \
      org.opencontainers.image.description="Audits Kubernetes clusters against the CIS Kubernetes Benchmark" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /kube-assay /kube-assay
USER 65532:65532
ENTRYPOINT ["/kube-assay"]
