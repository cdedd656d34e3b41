# The gateway's image, and (target `dev-idp`) that of the development authorization server.
#
#   docker build -t maxlab-auth .
#   docker build -t maxlab-auth-dev-idp --target dev-idp .
#
# BuildKit is needed (the default since Docker 23): the cache mounts keep downloaded crates and compiled dependencies.

FROM rust:1-bookworm AS source
WORKDIR /src
COPY . .

FROM source AS build-gateway
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p maxlab-auth \
    && cp target/release/maxlab-auth /maxlab-auth

FROM source AS build-dev-idp
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p maxlab-auth-dev-idp \
    && cp target/release/maxlab-auth-dev-idp /maxlab-auth-dev-idp

# What both run on. It has bash, which the health checks need, and neither curl nor a package of ours.
# /data is all that is written to, so the root may be read-only (--read-only --tmpfs /tmp).
FROM debian:bookworm-slim AS runtime
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN install --directory --owner=65532 --group=65532 --mode=0700 /data
ENV DATA_DIR=/data
VOLUME /data
USER 65532:65532
STOPSIGNAL SIGTERM

FROM runtime AS dev-idp
COPY --from=build-dev-idp /maxlab-auth-dev-idp /usr/local/bin/maxlab-auth-dev-idp
ENV PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/bin/bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$PORT\" && printf 'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 2 _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["/usr/local/bin/maxlab-auth-dev-idp"]

FROM runtime AS gateway
COPY --from=build-gateway /maxlab-auth /usr/local/bin/maxlab-auth
# Whatever is missing or unsafe stops the start, unless the operator says that this is no production.
ENV ENVIRONMENT=production HOST=0.0.0.0 PORT=8080
EXPOSE 8080
# Asks /health, which asks nobody else: a store that is down is no reason to restart this container. (/health/ready tells
# of stores; it is for load balancers.) `maxlab-auth check` would fail with every component that is down, so it is none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=40s --retries=3 CMD ["/bin/bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$PORT\" && printf 'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 2 _ status _ <&3 && [[ $status == 200 ]]"]
# Another subcommand runs by its name: docker run --rm maxlab-auth keygen
ENTRYPOINT ["/usr/local/bin/maxlab-auth"]
CMD ["serve"]
