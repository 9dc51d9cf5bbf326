# Prometheus from Debian's packages, for places that reach no registry: it takes what the official image takes.
#   docker build -f deploy/docker/from-debian/prometheus.Dockerfile -t tandem-prometheus:2 deploy/docker/from-debian
#   PROMETHEUS_IMAGE=tandem-prometheus:2 docker compose --profile monitoring up -d prometheus
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
# wget is what compose asks with whether it is ready.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus wget \
 && rm -rf /var/lib/apt/lists/* /var/lib/prometheus \
 && install -d -o nobody -g nogroup /prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
