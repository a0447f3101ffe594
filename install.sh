#!/usr/bin/env bash
# Builds .venv from requirements.lock with Python 3.11 or, where there is none, 3.10; PYTHON=3.10 asks for one of them.
# With uv, which passes over the upper bound that TFX 1.16 declares (Python < 3.11); pip does not.
set -euo pipefail
cd "$(dirname "$0")"

uv_version=$(sed -n 's/^uv==//p' requirements.lock)

find_python() {
  local version candidate
  for version in ${PYTHON:-3.11 3.10}; do
    for candidate in "$(PYENV_VERSION=$version pyenv which python 2>/dev/null)" "$(command -v "python$version")" "$(command -v python3)"; do
      if [ -n "$candidate" ] && "$candidate" -c "import sys, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
        echo "$candidate"
        return
      fi
    done
  done
}

python=$(find_python || true)
if [ -n "$python" ]; then
  echo "Python: $python"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
elif command -v uv >/dev/null && uv venv --quiet --python "${PYTHON:-3.11}" .venv; then
  echo "Python: ${PYTHON:-3.11}, fetched by uv"
else
  cat >&2 <<'EOF'
Python 3.11 or 3.10 must be installed, with its venv module. Found: none by pyenv, none on PATH, and uv could not fetch one.
Do one of these, then run the command again:
  apt-get install python3 python3-venv      (Debian 12 has 3.11)
  pyenv install 3.11
  pip install uv                            (it fetches a Python 3.11 by itself, where there is a network)
EOF
  exit 1
fi

echo "Installing the packages of requirements.lock ..."
if ! .venv/bin/python -c 'import uv' 2>/dev/null; then
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
  .venv/bin/python -m pip install --quiet "uv==$uv_version"
fi
VIRTUAL_ENV=$PWD/.venv .venv/bin/python -m uv pip sync --quiet requirements.lock
VIRTUAL_ENV=$PWD/.venv .venv/bin/python -m uv pip install --quiet --no-deps --no-build-isolation --editable .

# The tfx command imports TensorFlow before it reads a pipeline file, so modules.environment must come before any program.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp environment.pth "$site/tfx_pipeline_environment.pth"

# TFX starts many processes, and each would compile its imports again where PYTHONDONTWRITEBYTECODE is set.
.venv/bin/python -m compileall -q -j 0 "$site" >/dev/null || true
touch .venv/.installed
