# make venv    the project in .venv, its commands in .venv/bin
# make run     a demonstration on localhost:8009 and :8010, data in ./var, until Ctrl-C
# make test    linters and all tests
# make lint    linters only
# make deb     the Debian packages of this release, in ./dist, with its bill of materials
# make bench   what is fast, in numbers, compared with the peer (25 minutes; BENCH=--quick for a look, BENCH=--write to
#              put the results into docs/benchmarks.md); make bench-throughput for one question, see benchmarks/
# make screenshots   the pictures of the pages in docs/images, made again
# make soak    what a server has lost after minutes of faults: nothing
# make fuzz    inputs that do harm, looked for: ten minutes for each kind (SECONDS=600); TARGETS="http bodies" for some
# make clean   everything away that these made
#
# Debian's own packages are the dependencies: what runs here is what an installed package runs with. Nothing but git,
# make and python3 has to be there; the rest is installed with apt, as root or through sudo.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

SYSTEM_PYTHON := /usr/bin/python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PIP := -m pip --disable-pip-version-check --quiet --retries 10 --timeout 60

RUN_PACKAGES := python3-aiohttp python3-cryptography python3-itsdangerous python3-jinja2 python3-pip python3-sdnotify \
    python3-setuptools python3-systemd python3-urllib3 python3-venv python3-wheel python3-yaml \
    curl openssl systemd
TEST_PACKAGES := build-essential busybox dash faketime gnutls-bin haproxy jq nginx python3-hypothesis python3-jsonschema \
    python3-pytest python3-pytest-xdist python3-shtab scdoc shellcheck slowhttptest testssl.sh wrk
# For the tests with a browser.
BROWSER_TEST_PACKAGES := chromium chromium-driver default-jre-headless fonts-dejavu-core libnss3-tools mount \
    python3-selenium util-linux
# For the tests with a booted system.
SYSTEM_TEST_PACKAGES := debian-archive-keyring iproute2 mmdebstrap mount systemd-container util-linux
# For the comparison with the peer, and for the profile of the server.
BENCH_PACKAGES := linux-perf util-linux

# Tests of one machine stay in one process, and wait for it half of the time: so there is one process more than that.
PYTEST := -m pytest -n $(shell echo $$(($$(nproc) + 1))) --dist loadgroup --durations 30
# Those that other versions of cryptography can make a difference to: none that stops a program at each point, fills a
# disk, or is about HTTP alone.
CRYPTOGRAPHY_TESTS := $(addprefix tests/,authority cli client core jobs server store test_secrecy.py) \
    $(addprefix --ignore=tests/,client/updater/test_disk_full.py client/updater/test_kills.py \
    client/test_deploy_faults.py client/test_deploy_races.py client/test_deploy_rights.py jobs/test_mishaps.py \
    server/test_framing.py server/test_hostile_network.py server/test_request_smuggling.py)
# Seconds that each of the soak tests lasts, and sequences that the model is compared with.
SOAK := 60
SOAK_EXAMPLES := 1000

# $(call apt,PACKAGES): installs those of PACKAGES that are missing.
define apt
missing=; \
for package in $(1); do \
    dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed \
        || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then \
    $(SUDO) apt-get update -qq -o Acquire::Retries=5; \
    $(SUDO) env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends -o Acquire::Retries=5 $$missing; \
fi
endef

.PHONY: venv run test lint deb bench fuzz screenshots soak clean

venv: .venv/.made

run: venv
	@scripts/run

test: lint .venv-audit/.made .venv-browser/.made .venv-editor/.made .venv-fuzz/.made .venv-peer/.made .venv-crypto43/.made \
    .venv-cryptonew/.made
	.venv/bin/python $(PYTEST)
	.venv-crypto43/bin/python $(PYTEST) $(CRYPTOGRAPHY_TESTS)
	.venv-cryptonew/bin/python $(PYTEST) $(CRYPTOGRAPHY_TESTS)

lint: .venv/.made .venv-tools/.made
	.venv-tools/bin/ruff check .
	.venv-tools/bin/ruff format --check .
	.venv-tools/bin/mypy
	.venv-tools/bin/bandit --quiet --recursive --configfile pyproject.toml caucase
	shellcheck sh/caucase.sh

deb:
	@$(call apt,build-essential)
	@dpkg-checkbuilddeps packaging/debian/control || { \
	    $(SUDO) apt-get update -qq -o Acquire::Retries=5; \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	        apt-get build-dep -qq -y --no-install-recommends -o Acquire::Retries=5 ./packaging; \
	}
	@scripts/deb

bench: venv .venv-bench/.made .venv-peer/.made
	@$(call apt,$(BENCH_PACKAGES))
	@.venv/bin/python -m benchmarks $(BENCH)

bench-%: venv .venv-bench/.made .venv-peer/.made
	@$(call apt,$(BENCH_PACKAGES))
	@.venv/bin/python -m benchmarks $(BENCH) $*

soak: venv .venv-audit/.made .venv-test-packages
	CAUCASE_SOAK=$(SOAK) CAUCASE_SOAK_EXAMPLES=$(SOAK_EXAMPLES) .venv/bin/python -m pytest tests/soak tests/audit/test_scanners.py

# Which there are: fuzz/targets. What is found is in build/fuzz, and printed.
fuzz: SECONDS := 600
fuzz: TARGETS := $(basename $(notdir $(wildcard fuzz/targets/[a-z]*.py)))
fuzz: .venv-fuzz/.made
	@for target in $(TARGETS); do .venv-fuzz/bin/python -m fuzz $$target --seconds $(SECONDS); done

screenshots: venv .venv-test-packages
	@$(call apt,pngquant)
	.venv/bin/python -m tests.browser.screenshots docs/images

clean:
	rm -rf .venv .venv-* var dist build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find caucase fuzz tests -name __pycache__ -prune -exec rm -rf {} +

# Without isolation and dependencies pip fetches nothing. "compat" is a plain path entry, which starts faster than the
# import hook that setuptools would install.
.venv/.made: pyproject.toml caucase/__init__.py Makefile
	@$(call apt,$(RUN_PACKAGES))
	$(SYSTEM_PYTHON) -m venv --clear --system-site-packages .venv
	.venv/bin/python $(PIP) install --no-build-isolation --no-deps --config-settings editable_mode=compat -e .
	@touch $@

.venv-test-packages: Makefile
	@$(call apt,$(TEST_PACKAGES) $(BROWSER_TEST_PACKAGES) $(SYSTEM_TEST_PACKAGES))
	@touch $@

# The peer, by itself.
.venv-peer/.made: Makefile | .venv/.made .venv-test-packages
	$(SYSTEM_PYTHON) -m venv --clear .venv-peer
	.venv-peer/bin/python $(PIP) install --use-pep517 caucase==0.9.17
	@touch $@

# What takes samples of Python code.
.venv-bench/.made: Makefile | .venv/.made
	$(SYSTEM_PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/python $(PIP) install py-spy
	@touch $@

# Linters. Debian's packages are visible, for their types; its urllib3 has none yet.
.venv-tools/.made: Makefile | .venv/.made .venv-test-packages
	$(SYSTEM_PYTHON) -m venv --clear --system-site-packages .venv-tools
	.venv-tools/bin/python $(PIP) install bandit mypy pkilint ruff types-PyYAML 'urllib3>=2'
	@touch $@

# What looks at TLS from outside, and what knows the schemas of the bill of materials.
.venv-audit/.made: Makefile | .venv/.made .venv-test-packages
	$(SYSTEM_PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/python $(PIP) install 'cyclonedx-python-lib[json-validation]' sslyze
	@touch $@

# What editors use for YAML; npm may have come with a nodejs that is not Debian's. No package's own script is run: that of
# vnu-jar would fetch a Java runtime, as root.
.venv-editor/.made: Makefile | .venv-test-packages
	@command -v npm >/dev/null || { $(call apt,npm); }
	mkdir -p $(@D)
	npm install --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error yaml-language-server
	@touch $@

# What knows the rules for pages: axe-core, and the Nu HTML checker, which is a jar.
.venv-browser/.made: Makefile | .venv-test-packages
	@command -v npm >/dev/null || { $(call apt,npm); }
	mkdir -p $(@D)
	npm install --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error axe-core vnu-jar
	@touch $@

# What looks for inputs that do harm.
.venv-fuzz/.made: Makefile | .venv/.made .venv-test-packages
	$(SYSTEM_PYTHON) -m venv --clear --system-site-packages .venv-fuzz
	.venv-fuzz/bin/python $(PIP) install atheris
	@touch $@

# The same tests with other versions of cryptography: Debian 13's, and the newest.
.venv-crypto43/.made: CRYPTOGRAPHY := cryptography==43.*
.venv-cryptonew/.made: CRYPTOGRAPHY := cryptography
.venv-crypto43/.made .venv-cryptonew/.made: Makefile | .venv/.made .venv-test-packages
	$(SYSTEM_PYTHON) -m venv --clear --system-site-packages $(@D)
	$(@D)/bin/python $(PIP) install --upgrade '$(CRYPTOGRAPHY)'
	@touch $@
