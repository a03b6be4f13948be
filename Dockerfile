# Built apart, so that neither pip nor the build backend reaches the image that runs.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/cartwatch
ENV PATH=/opt/cartwatch/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY alerts alerts
COPY config config
COPY worker worker
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hatchling trove-classifiers pip

FROM python:3.13-slim
RUN groupadd --system --gid 10001 cartwatch \
    && useradd --system --uid 10001 --gid cartwatch --no-create-home --shell /usr/sbin/nologin cartwatch
COPY --from=build /opt/cartwatch /opt/cartwatch
# The root file system is read-only in service: Matplotlib keeps its font list in /tmp.
ENV PATH=/opt/cartwatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
CMD ["cartwatch", "--help"]
