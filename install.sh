#!/usr/bin/env bash
# Builds .venv from requirements.lock with Python 3.10, the only version TFX 1.16 has wheels of all parts for.
set -euo pipefail
cd "$(dirname "$0")"

uv_version=$(sed -n 's/^uv==//p' requirements.lock)

find_python() {
  local candidate
  for candidate in "$(command -v pyenv >/dev/null && PYENV_VERSION=$(pyenv versions --bare 2>/dev/null | grep -m1 '^3\.10') pyenv which python 2>/dev/null)" \
                   "$(command -v python3.10)" "$(command -v python3)"; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

python=$(find_python || true)
if [ -n "$python" ]; then
  echo "Python: $python"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
elif command -v uv >/dev/null && uv venv --quiet --python 3.10 .venv; then
  echo "Python: 3.10, fetched by uv"
else
  cat >&2 <<'EOF'
Python 3.10 must be installed. Found: none by pyenv, none as python3.10 on PATH, and uv could not fetch one.
Do one of these, then run the command again:
  pyenv install 3.10
  apt-get install python3.10 python3.10-venv      (where the distribution has it)
  pip install uv                                  (it fetches a Python 3.10 by itself, where there is a network)
EOF
  exit 1
fi

echo "Installing the $(grep -c == requirements.lock) packages of requirements.lock ..."
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
