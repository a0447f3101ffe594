# make run | serve | test: a newcomer's three commands. Everything they write lies under .venv/ and var/.
.DEFAULT_GOAL := help
CONFIG ?= $(if $(DATA),tfx_pipeline/configs/csv.yaml,tfx_pipeline/configs/movielens.yaml)
BIN := .venv/bin

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/.installed: requirements.lock setup.py
	./install.sh

install: .venv/.installed ## build .venv from the lock file

run: .venv/.installed ## run the pipeline and report; CONFIG=file.yaml, DATA=interactions.csv
	$(BIN)/python -m tfx_pipeline.run --config $(CONFIG) $(if $(DATA),--data $(DATA))

check: .venv/.installed ## look at the data and the configuration before hours are spent; CONFIG=file.yaml, DATA=file
	$(BIN)/python -m tfx_pipeline.check --config $(CONFIG) $(if $(DATA),--data $(DATA))

serve: .venv/.installed ## serve what was pushed: TF Serving's REST API on :8501, its gRPC API on :8500
	$(BIN)/python -m model_server --model_base_path var/serving_model --rest_api_port 8501 --port 8500

demo: .venv/.installed ## the same, and a page on localhost:8501/demo: users, and what each stage makes of them
	$(BIN)/python -m tfx_pipeline.demo --config $(CONFIG)

deployment: .venv/.installed ## write a compose file and the configs of stock TF Serving to var/serving
	$(BIN)/python -m tfx_pipeline.serving --config $(CONFIG)

kubeflow: .venv/.installed ## compile the pipeline for Kubeflow Pipelines; CONFIG=file.yaml
	$(BIN)/python -m kubeflow.compile --config $(CONFIG) $(if $(DATA),--data $(DATA)) --output var/kubeflow/pipeline.yaml

rollback: .venv/.installed ## serve the version before again, or TO=version; the next run builds on it
	$(BIN)/python -m tfx_pipeline.rollback --config $(CONFIG) $(if $(TO),--to $(TO))

test: .venv/.installed ## every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

doctor: .venv/.installed ## what is installed, and what to do where a version is wrong
	$(BIN)/python -m tfx_pipeline.doctor

lock: ## resolve what setup.py names anew into requirements.lock, for both Pythons
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-header --no-annotate setup.py -o requirements.lock
	@# The platform is the same on every line: only what differs between the Pythons is left to read.
	sed -i -E "s/ and (platform_machine == 'x86_64'|sys_platform == 'linux'|[a-z_]+ != 'PyPy')//g; s/ ; python_full_version < '3.12'$$//" requirements.lock

clean: ## remove what runs have written
	rm -rf var

.PHONY: help install run check serve demo deployment kubeflow rollback test doctor lock clean
