# Built apart, so that neither pip nor the build backend reaches the image that runs.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/cartwatch
ENV PATH=/opt/cartwatch/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY alerts alerts
COPY config config
COPY worker worker
# What no process of ours uses goes too: tests, sources in C, what fontTools has in C beside the same in Python, and Pygments
# (Rich colours source code with it). Byte code is made here, for a file system that is read-only. The imports show that
# nothing is missing.
ARG VERSION=0.1.0
ENV SETUPTOOLS_SCM_PRETEND_VERSION=$VERSION
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hatchling hatch-vcs setuptools setuptools-scm vcs-versioning pathspec pluggy tomlkit trove-classifiers pygments pip \
    && find /opt/cartwatch/lib -type d -name tests -prune -exec rm -r {} + \
    && find /opt/cartwatch/lib -type f \( -path '*/fontTools/*.so' -o -regex '.*\.\(c\|cpp\|h\|pyi\|pyx\|pxd\|a\)' \) -delete \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/cartwatch/lib \
    && cd / && python -c 'import worker.cli, worker.ticker, worker.standalone.demo, worker.gateway.serve, matplotlib.backends.backend_agg'

FROM python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="cartwatch" \
      org.opencontainers.image.description="Watches patients after CAR-T infusion and pages the on-call haematologist" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# The base brings pip, and may bring its own modules without byte code.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
        /usr/bin/pip* /usr/lib/python3/dist-packages/pip* /usr/lib/python3*/ensurepip /usr/share/python-wheels \
    && python -m compileall -q -j 0 "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/cartwatch /opt/cartwatch
# The root file system is read-only in service: Matplotlib keeps its font list in /tmp.
ENV PATH=/opt/cartwatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
# No file here belongs to it: any other uid will do.
USER 10001:10001
CMD ["cartwatch", "--help"]
