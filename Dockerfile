# The image of kube-assay: one static binary. Build for both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=true -t REGISTRY/kube-assay:VERSION --push .
# Where no container builder exists: tests/real/job/image packs the same from a binary.
FROM --platform=$TARGETPLATFORM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev make gcc ca-certificates
WORKDIR /source
COPY . .
# not position-independent: pages of the binary stay the file's, which an idle collector is measured by
ENV RUSTFLAGS="-C relocation-model=static"
RUN cargo build --release --locked && cp target/release/kube-assay /kube-assay

FROM scratch
LABEL org.opencontainers.image.title="kube-assay" \
      org.opencontainers.image.description="Audits Kubernetes clusters against the CIS Kubernetes Benchmark" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /kube-assay /kube-assay
USER 65532:65532
ENTRYPOINT ["/kube-assay"]
