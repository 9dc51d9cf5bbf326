#!/usr/bin/env bash
# Installs what Tandem runs on: the native libraries that FFCV is built against (apt), a virtual environment,
# and the pinned Python packages. Run by `make setup`; a finished set-up is not run again until its inputs change.
#   PYTHON=python3.12  another interpreter          VENV=folder  another place for the environment
#   PACKAGE=editable      this checkout, with all that developing needs (the default)
#   PACKAGE=dependencies  what the package depends on, without it and without OpenCV, which tests alone need
set -euo pipefail
cd "$(dirname "$0")/.."
package=${PACKAGE:-editable}
python=${PYTHON:-python3}
venv=${VENV:-.venv}

fail() { echo "setup: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "no $python here: install Python 3.11 or newer, or name one with PYTHON="
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version) is too old: Tandem needs 3.11 or newer; name one with PYTHON="

# FFCV finds OpenCV through pkg-config: deploy/ffcv answers for the two of its libraries that FFCV uses, or for none.
case $package in
  editable) opencv=$PWD/deploy/ffcv ;;
  dependencies) opencv=$PWD/deploy/ffcv/without-opencv ;;
  *) fail "PACKAGE=$package: choose editable or dependencies" ;;
esac
export PKG_CONFIG_PATH=$opencv${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v pkg-config >/dev/null || missing+=(pkg-config)
[ $package = dependencies ] || [ -f /usr/include/opencv4/opencv2/imgproc.hpp ] || missing+=(libopencv-imgproc-dev)
[ -f /usr/include/turbojpeg.h ] || missing+=(libturbojpeg0-dev)
compgen -G '/usr/lib*/*/libxxhash.so.0' >/dev/null || compgen -G '/usr/lib*/libxxhash.so.0' >/dev/null || missing+=(libxxhash0)
"$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
"$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
  || missing+=(python3-dev)

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "missing ${missing[*]}, and there is no apt-get: install them with this system's package manager (FFCV is compiled against OpenCV's imgproc and libturbojpeg)"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing ${missing[*]}: run 'apt-get install ${missing[*]}' as root"
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]} through apt"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "setup: installing the Python packages into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet -c constraints.txt ./deploy/ffcv/opencv-python
if [ $package = editable ]; then
  packages=(--editable '.[demo,dev,export]')
else
  mapfile -t packages < <("$python" -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")')
fi
"$venv/bin/python" -m pip install --quiet -c constraints.txt "${packages[@]}"
echo "setup: done"
