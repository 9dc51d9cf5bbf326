# make demo: from nothing to a classified photo.  make test: every check and test.  make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PEERS := .venv-peers
SERVING_PEERS := .venv-serving-peers
SECRETS := TANDEM_TOKEN TANDEM_METRICS_TOKEN RAY_AUTH_TOKEN POSTGRES_PASSWORD GRAFANA_PASSWORD
KUBERNETES_SECRETS := deploy/kubernetes/base/secrets.env
# KubeRay looks for Ray's token under auth_token.
SECRETS_OF_KUBERNETES := TANDEM_TOKEN TANDEM_METRICS_TOKEN POSTGRES_PASSWORD auth_token
SITE_PACKAGES := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

.DEFAULT_GOAL := help
.PHONY: help setup demo compose-demo check test test-browser screenshots chaos test-compose bench-prepare peers bench-loader bench-model bench-api bench-page serving-peers bench-serving bench-cluster bench-image format env kube-env clean

help: ## what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## native libraries, .venv and everything in it

$(READY): pyproject.toml constraints.txt deploy/setup.sh $(wildcard deploy/ffcv/*.pc deploy/ffcv/opencv-python/pyproject.toml)
	PYTHON=$(PYTHON) VENV=$(VENV) bash deploy/setup.sh
	@touch $(READY)

demo: $(READY) ## prepare, train, publish and classify real photos (DATA=folder for your own, KEEP=1 to leave it up)
	$(BIN)/tandem demo $(if $(DATA),--data "$(DATA)") $(if $(KEEP),--keep)

compose-demo: $(READY) ## the same in docker-compose's containers, the image built first where it is not there
	$(BIN)/tandem demo --compose $(if $(DATA),--data "$(DATA)") $(if $(KEEP),--keep)

check: $(READY) ## format, lint, types and arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## the checks, then every test
	$(BIN)/pytest

test-browser: $(READY) ## the web page in a Chromium, which fails where there is none
	TANDEM_BROWSER=$${TANDEM_BROWSER:-chromium} $(BIN)/pytest tests/browser

screenshots: $(READY) ## docs/screenshots, of a stack that has prepared, trained, published and classified
	TANDEM_BROWSER=$${TANDEM_BROWSER:-chromium} $(BIN)/pytest -q tests/browser/screenshots.py

chaos: $(READY) ## a training run killed in every way, TIMES times each (10): an hour or so
	$(BIN)/python tests/chaos/chaos.py $(if $(TIMES),--times $(TIMES))

test-compose: $(READY) ## docker-compose's cluster with its parts killed, cut off and filled up (ONLY="name" for one row)
	PYTHONPATH=tests/chaos $(BIN)/python tests/chaos/compose/fault_table.py $(if $(ONLY),--only "$(ONLY)")

bench-prepare: $(READY) ## photos prepared per second and memory held, beside the usual way (PHOTOS=folder)
	$(BIN)/python tests/benchmarks/bench_prepare.py $(if $(PHOTOS),--photos "$(PHOTOS)")

peers: $(PEERS)/ready ## the loaders that bench-loader measures beside ours, in an environment on top of .venv

bench-cluster: $(READY) ## docker-compose's cluster with one, two and three worker containers (PHOTOS=folder)
	$(BIN)/python tests/benchmarks/bench_cluster.py $(if $(PHOTOS),--photos "$(PHOTOS)")

serving-peers: $(SERVING_PEERS)/ready ## the servers that bench-serving measures beside ours, in another such environment

$(PEERS)/ready: tests/benchmarks/peers-requirements.txt
$(SERVING_PEERS)/ready: tests/benchmarks/serving-peers-requirements.txt

$(PEERS)/ready $(SERVING_PEERS)/ready: $(READY)
	$(BIN)/python -m venv --clear $(@D)
	$(BIN)/python $(SITE_PACKAGES) > "$$($(@D)/bin/python $(SITE_PACKAGES))/product.pth"
	$(@D)/bin/python -m pip install --quiet --no-deps -r $(filter %-requirements.txt,$^)
	@touch $@

bench-loader: $(READY) $(PEERS)/ready ## photos read per second and the first batch, beside other loaders (PHOTOS=folder)
	$(BIN)/python tests/benchmarks/bench_loader.py $(if $(PHOTOS),--photos "$(PHOTOS)")

bench-model: $(READY) ## LRN, a training step and inference on the CPU, beside the network as torch's users write it
	$(BIN)/python tests/benchmarks/bench_model.py

bench-api: $(READY) ## the control plane under load, with a long history, and what it costs a training
	$(BIN)/python tests/benchmarks/bench_api.py

bench-page: $(READY) ## the web page in a Chromium: what it loads, and a run of 10,000 steps drawn
	PYTHONPATH=tests/material $(BIN)/python tests/benchmarks/bench_page.py

bench-serving: $(READY) $(SERVING_PEERS)/ready ## photos classified per second over HTTP, beside other servers (PHOTOS=folder)
	$(BIN)/python tests/benchmarks/bench_serving.py $(if $(PHOTOS),--photos "$(PHOTOS)")

bench-image: ## what the image weighs beside torch and Ray (IMAGE=name)
	$(PYTHON) tests/benchmarks/image_size.py $(if $(IMAGE),--image "$(IMAGE)")

format: $(READY) ## lay the code out as the checks want it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

env: ## random secrets for docker-compose, in .env: those that it does not hold yet
	$(call random_secrets,.env,$(SECRETS))

kube-env: ## the same for deploy/kubernetes
	$(call random_secrets,$(KUBERNETES_SECRETS),$(SECRETS_OF_KUBERNETES))

define random_secrets
	@umask 077; touch $(1); [ -z "$$(tail -c1 $(1))" ] || echo >> $(1); for name in $(2); do grep -q "^$$name=." $(1) \
	  || { echo "$$name=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32))')" >> $(1); echo "added $$name"; }; done
	@echo "the secrets are in $(1): keep it, and keep it to yourself"
endef

clean: ## remove the environments; datasets, runs and models stay
	rm -rf $(VENV) $(PEERS) $(SERVING_PEERS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
