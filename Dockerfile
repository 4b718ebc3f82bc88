# The image of kube-assay: one static binary. Build for both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 --provenance=true -t REGISTRY/kube-assay:VERSION \
#     --build-arg REVISION=$(git rev-parse HEAD) --push .
# What it is made of, as CycloneDX (a scanner sees nothing in a binary on an empty image):
#   docker buildx build --target sbom --output type=local,dest=. .
# Where no container builder exists: tests/real/job/image packs the same from a binary.
FROM --platform=$TARGETPLATFORM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev make gcc ca-certificates
WORKDIR /source
COPY . .
# not position-independent: pages of the binary stay the file's, which an idle collector is measured by
ENV RUSTFLAGS="-C relocation-model=static"
RUN cargo build --release --features object-stores --locked && cp target/release/kube-assay /kube-assay

FROM build AS components
RUN cargo install --locked --version 0.5.9 cargo-cyclonedx && \
    cargo cyclonedx --format json --spec-version 1.5 --target $(rustc -vV | sed -n 's/^host: //p') && \
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
