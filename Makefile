# Developer tasks. Needs Rust and Python 3.11+ (with venv); everything else is set up in .venv on the way.

# Values given on the command line (EMAIL='…') are text. Each becomes a variable that make does not expand, and reaches the
# recipes through the environment. A recipe reads it as "$$EMAIL", so no shell parses it; words.py splits lists of words.
$(foreach name,$(.VARIABLES),$(if $(findstring command,$(origin $(name))),\
	$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

PYTHON ?= python3
LOCAL := $(PYTHON) infra/local
# Tests fill the CMS and make it fail. So they get the stub, even where CMS_URL names another for `make run`.
EXEC := env -u CMS_URL -u CMS_API_KEY $(LOCAL) exec

# The tests that need the stack are ignored by a plain `cargo test`. nextest runs no doc tests.
NEXTEST := $(shell command -v cargo-nextest)
TESTS := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored all -E "not (binary(real) + binary(real_cms) + binary(growth))",\
	cargo test --workspace --all-features --lib --bins --tests -- --include-ignored --skip in_a_real_cms --skip twice_the_brands)
# It counts requests, and one that is repeated since the machine is busy counts twice. So it has the machine for itself.
GROWTH_TEST := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored all -E "binary(growth)",\
	cargo test --workspace --all-features --bin growth -- --include-ignored)
# The contract of the port, and a brand's journey, on a CMS that is installed and started for it.
REAL_CMS_TESTS := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored all -E "binary(real) + binary(real_cms)",\
	cargo test --workspace --all-features --test real --test real_cms -- --include-ignored)
# What the hooks of a Payload server send, and how it is signed.
HOOKS_TEST := python3 -B tests/cms/test_hooks.py
WITH_CMS = python3 tests/cms/run.py $(1) -- $(LOCAL) exec $(2) -- $(REAL_CMS_TESTS)
DOC_TESTS := cargo test --workspace --all-features --doc
CLIENT_TEST := python3 tests/js-sdk/run.py
INFRA_TEST := python3 -B -m unittest discover --start-directory tests/infra
# Two halves of it: those of deployments and of the first run have stacks of their own, and take the longest.
DEPLOYING_TEST := $(INFRA_TEST) -p "test_[df]*.py"
OTHER_INFRA_TEST := $(INFRA_TEST) -p "test_[!df]*.py"
# On a stack of its own: it fails to sign in so often that its address is blocked for a while.
OPENAPI_TEST := python3 tests/schemathesis/run.py
# In a real browser; where none is there, it says so.
CONSOLE_TEST := python3 tests/console/run.py
SCRIPTS_TEST := python3 -B -m unittest discover --start-directory tests/local

# What is tried beside `make test`'s stack, with nextest or without.
JOURNEY := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored all -E "binary(journey)",\
	cargo test --workspace --all-features --test journey -- --include-ignored)
ON_LOCALSTACK := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored only --no-fail-fast -E 'not package(bench)' --,\
	cargo test --workspace --all-features --no-fail-fast --lib --bins --tests -- --ignored)
# In `make test` those of its tests that try what differs from the emulator and wait little: the deployment of the state alone, the
# bridge and its schedule, SQS as LocalStack has it, DynamoDB Local, and what the functions log. Many at once: they mostly wait.
# All others take minutes (listing, signing_in, growth) or differ in nothing that these do not try.
SOME_ON_LOCALSTACK := $(if $(NEXTEST),\
	cargo nextest run --workspace --all-features --run-ignored only --no-fail-fast --test-threads 8 \
	-E 'binary(bridge) + binary(changing) + binary(journey) + binary(observing) + binary(recovery) + binary(round_trips)' --,\
	cargo test --workspace --all-features --no-fail-fast --test bridge --test changing --test journey --test observing \
	--test recovery --test round_trips -- --ignored)
# All that is left out on LocalStack, by parts of the tests' names. What asks for a real CMS or measures a function (bench) meets no
# emulator. It is API Gateway that refuses other origins.
NOT_ON_LOCALSTACK := in_a_real_cms no_page_of_another_origin
# Without Docker there is a DynamoDB Local of 2020. It does not answer the item that failed a condition, and refuses empty strings.
NOT_WITHOUT_DOCKER := brands_on_dynamodb store_on_dynamodb attempts_on_dynamodb it_does_what_a_store_of_brands_must reply_is_lost failures_open_a_circuit \
	a_user_is_found_as_created a_damaged rows_with_junk
WITH_LOCALSTACK = STACK=localstack $(EXEC) $(3) -- $(1) $(foreach part,$(NOT_ON_LOCALSTACK) $(2),--skip $(part))
# For `make test`: without Docker; where that cannot be, one line says why it is left out.
export LOCALSTACK_TEST = reason="$$($(PYTHON) -B infra/local/localstack_without_docker.py)" && if [ "$$reason" ]; then echo "$$reason"; else \
	export LOCALSTACK_WITHOUT_DOCKER=1; $(call WITH_LOCALSTACK,$(SOME_ON_LOCALSTACK),$(NOT_WITHOUT_DOCKER),--built --name=localstack); fi

WATCH_TEST = $(EXEC) $(1) --watched -- $(JOURNEY)

# The fault test: cargo-lambda lays out every executable so.
CHAOS = $(EXEC) $(1) --faulty -- target/lambda/chaos/bootstrap

# Runs commands side by side, each with a name.
STAGES := $(PYTHON) -B tests/stages.py
# What the stages on one stack run there, one after the other. These variables reach the stages through the environment.
export ON_THE_STACK := $(TESTS); $(CLIENT_TEST); $(OTHER_INFRA_TEST)
export ON_THE_SECOND_STACK := $(DEPLOYING_TEST)
# A shell counts in SECONDS itself, so the value has another name there.
export DURATION := $(value SECONDS)

# Where to deploy to: aws, or local, which is what `make run` started; and the stack, where it is not the one of samconfig.toml.
DEPLOY = $(PYTHON) infra/deploy --to="$${TO:-aws}" --stack="$$STACK"

# Ends a recipe with one line where a value is missing.
NEED = @[ "$$$(1)" ] || { echo "make $@: $(1)=$(2) is missing" >&2; exit 2; }

# Ends a recipe with one line where one of these is not a number; else that would show only after the build.
NUMBERS = @$(foreach name,$(1),case "$$$(name)" in (*[!0-9]*) \
	echo "make $@: $(name:DURATION=SECONDS) is not a whole number" >&2; exit 2;; esac;)

# Appends the words of a variable to a command.
WORDS_OF := $(PYTHON) infra/local/words.py

# All of it in one call, so that each dependency is built once, with one set of features.
MEASURED := --package bench --package create-brand --package sync-brand
FUNCTIONS := api-root change-brand console create-brand query-brands reconcile-brands republish-brands sign-in steer-sync sync-brand
# Those that bench has an event for.
SOAKED := $(filter-out console reconcile-brands steer-sync,$(FUNCTIONS))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# As cargo-lambda builds, so that what it built is used again.
export CARGO_BUILD_TARGET := host-tuple

.PHONY: help run watch logs invoke admin sync show circuit reconcile parked redrive test test-cms simulate test-watch test-localstack client console openapi test-infra chaos load growth bench soak deploy update releases rollback delete first-run lint tools fmt ci stop clean

help: ## say what there is to do
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

run: ## start the application on this machine, create a brand, show how it reaches the CMS; until Ctrl-C; CMS_URL=… CMS_API_KEY=… for yours
	@$(LOCAL) run

watch: ## the same with `cargo lambda watch`: save a file, and the next request has the new code; STACK=localstack on LocalStack
	@$(LOCAL) watch

logs: ## FUNCTION=… follow what `make run` or `make watch` logs, in another terminal
	@$(LOCAL) logs $${FUNCTION:+"$$FUNCTION"}

invoke: ## FUNCTION=… EVENT=events/… invoke one function of `make watch`
	$(call NEED,FUNCTION,create-brand)
	$(call NEED,EVENT,events/api-gateway-create-brand.json)
	@$(LOCAL) invoke "$$FUNCTION" "$$EVENT"

admin: ## EMAIL=… lets somebody sign in to what `make run` started; asks for the password
	$(call NEED,EMAIL,admin@example.com)
	@$(LOCAL) operate -- create-admin --email="$$EMAIL"

sync: ## ARGS='--id …', '--refused', '--failed', '--paused', '--cancelled' or '--all', and '--dry-run', '--reason …': syncs brands of what `make run` started once more
	@$(WORDS_OF) ARGS $(LOCAL) operate -- sync

show: ## ID=… shows a brand of what `make run` started: its row, its run, when it is due next and why
	$(call NEED,ID,the brand's id)
	@$(LOCAL) operate -- show --id="$$ID"

circuit: ## ARGS='show', 'open --reason …' or 'close --reason …': shows or sets whether what `make run` started calls the CMS
	@$(WORDS_OF) ARGS $(LOCAL) operate -- circuit

reconcile: ## ARGS='--dry-run' has brands and the entries of the CMS compared, and what differs mended, in what `make run` started
	@$(WORDS_OF) ARGS $(LOCAL) operate -- reconcile

parked: ## ARGS='--kind KIND --containing TEXT --limit N' shows the messages that what `make run` started has parked
	@$(WORDS_OF) ARGS $(LOCAL) operate -- parked

redrive: ## ARGS='--kind KIND --containing TEXT --limit N' moves parked messages of what `make run` started back to the queue
	@$(WORDS_OF) ARGS $(LOCAL) operate -- redrive

# The fault test has the machine for itself: its faults are to hit requests at the pace of its clock.
test: ## run all tests, those of the whole system on stacks of their own; the fault test in its short form
	@$(LOCAL) build --with-tests
	@$(STAGES) \
		system '$(EXEC) --built --name=system -- sh -ec "$$ON_THE_STACK"' \
		deployments '$(EXEC) --built --name=deployments -- sh -ec "$$ON_THE_SECOND_STACK"' \
		scripts '$(SCRIPTS_TEST)' \
		payload '$(HOOKS_TEST); $(call WITH_CMS,payload,--built --name=payload)' \
		openapi '$(EXEC) --built --name=openapi -- $(OPENAPI_TEST)' \
		console '$(EXEC) --built --name=console -- $(CONSOLE_TEST)' \
		watched '$(call WATCH_TEST,--built --name=watched)' \
		localstack 'eval "$$LOCALSTACK_TEST"' \
		documentation '$(DOC_TESTS)'
	@$(EXEC) --built --name=growth -- $(GROWTH_TEST)
	@$(call CHAOS,--built --name=faults) --brands 80 --seconds 15

test-cms: ## run the contract of the CMS port and a brand's journey on Payload and on Strapi, which are installed for it (Node.js 20 or newer)
	@$(HOOKS_TEST)
	@$(call WITH_CMS,payload,--with-tests)
	@$(call WITH_CMS,strapi,--with-tests)

simulate: ## SEEDS=… runs the handlers in so many simulated worlds, from the seed SEED=… on; a broken promise prints its story
	$(call NUMBERS,SEEDS SEED)
	@SIMULATION_SEEDS="$${SEEDS:-100000}" SIMULATION_SEED="$$SEED" cargo run --quiet --package simulation >/dev/null

test-watch: ## run the journey tests against functions under `cargo lambda watch`
	@$(call WATCH_TEST,--with-tests)

test-localstack: ## run the system tests on LocalStack, in Docker or with LOCALSTACK_WITHOUT_DOCKER=1; `make test` runs some of them
	@$(call WITH_LOCALSTACK,$(ON_LOCALSTACK),$(if $(LOCALSTACK_WITHOUT_DOCKER),$(NOT_WITHOUT_DOCKER)),--with-tests)

client: ## try the API with Medusa's own client (Node.js 20 or newer)
	@$(EXEC) -- $(CLIENT_TEST)

console: ## try the console in Chromium, where that is there
	@$(EXEC) -- $(CONSOLE_TEST)

openapi: ## try the API against its OpenAPI document, with schemathesis
	@$(EXEC) -- $(OPENAPI_TEST)

test-infra: ## deploy, update, roll back and delete on the emulator; check the template and its policies
	@$(EXEC) -- $(INFRA_TEST)

chaos: ## BRANDS=… SECONDS=… SEED=… create brands while everything fails, and see that none is lost
	$(call NUMBERS,BRANDS DURATION SEED)
	@$(call CHAOS,--with-tests) --brands "$${BRANDS:-500}" --seconds "$${DURATION:-90}" $${SEED:+--seed "$$SEED"}

load: ## SECONDS=… create brands with 1, 10 and 50 clients at once, and measure
	$(call NUMBERS,DURATION)
	@$(EXEC) --with-tests -- target/lambda/load/bootstrap --seconds "$${DURATION:-20}"

# Standard output has the functions' metrics, which nobody wants here.
growth: ## ROWS=… measure what operations cost with 1,000 brands, 10,000 … up to so many (100,000)
	$(call NUMBERS,ROWS)
	@$(EXEC) --with-tests -- target/lambda/growth/bootstrap --rows "$${ROWS:-100000}" >/dev/null

deploy: ## PARAMETERS='Name=value …' builds for AWS and deploys there, or updates what is deployed; TO=local: to the emulator
	@$(WORDS_OF) PARAMETERS $(DEPLOY) deploy

update: deploy ## the same

releases: ## list what was deployed
	@$(DEPLOY) releases

rollback: ## RELEASE=… deploys that release again, without a build; PARAMETERS as above
	@$(WORDS_OF) PARAMETERS $(DEPLOY) rollback "$$RELEASE"

delete: ## CONFIRM=the stack's name: deletes what was deployed, but for the tables and the releases
	@$(DEPLOY) delete --confirm="$$CONFIRM"

first-run: ## CONFIRM=account:region deploy a throw-away stack to AWS, exercise it, report and delete it; KEEP=1 keeps it; OUTAGE_MINUTES=…; TO=local
	$(call NUMBERS,OUTAGE_MINUTES)
	@$(WORDS_OF) PARAMETERS $(DEPLOY) first-run --confirm="$$CONFIRM" --outage-minutes="$$OUTAGE_MINUTES" $${KEEP:+--keep}

bench: ## measure the functions beside the floors that they stand on; tests/bench/README.md says what was measured
	cargo build --release $(MEASURED)
	@$(WORDS_OF) ARGS target/$(HOST)/release/bench
	cargo bench --package workflow --bench engine -- --quick
	cargo bench --package bench --bench request -- --quick

soak: ## COUNT=… invoke functions so often (20,000), and print its memory at the start and at the end
	$(call NUMBERS,COUNT)
	cargo build --release --package bench $(SOAKED:%=--package %)
	@target/$(HOST)/release/bench --soak "$${COUNT:-20000}" $(foreach function,$(SOAKED),$(function)=target/$(HOST)/release/$(function))

lint: ## check the format, the code, and the template, both as written and as SAM transforms it
	@$(STAGES) \
		code 'cargo fmt --all --check; cargo clippy --workspace --all-targets --all-features -- -D warnings' \
		template '$(LOCAL) setup; .venv/bin/python -B tests/infra/lint.py'

tools: ## install what the tests need beside Rust and Python; what is missing, they install by themselves
	@$(LOCAL) setup
	@$(PYTHON) -B -c 'import sys; sys.path[:0] = ["infra/local", "infra/deploy"]; import tools; tools.prepare()'
	@python3 tests/cms/run.py payload --install
	@$(CLIENT_TEST) --install
	@$(OPENAPI_TEST) --install

fmt: ## format the code
	cargo fmt --all

ci: ## what must pass before a change is taken
	@.ci/run

stop: ## end what `make run` or `make watch` started
	@$(LOCAL) stop

clean: ## stop, and remove everything that was built or set up
	@$(LOCAL) clean
	cargo clean
