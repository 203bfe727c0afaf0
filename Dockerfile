# syntax=docker/dockerfile:1
#
#   docker build --target cpu        --tag sigmoidf1-ray:cpu .     trains, embeds, records
#   docker build --target cuda       --tag sigmoidf1-ray:cuda .    the same for NVIDIA GPUs
#   docker build --target dashboard  --tag sigmoidf1-dashboard .   reads: no PyTorch, no Ray
#
# All packages are pinned by constraints.txt. The index that Python packages come from by default
# has PyTorch with CUDA only; TORCH_INDEX_URL names PyTorch's own index of CPU builds, which makes
# the cpu image several gigabytes smaller (docs/deployment.md).

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY constraints.txt pyproject.toml ./
COPY docker/image_requirements.py docker/

# Packages and code are two layers each: a change of the code sends the small one alone.
FROM base AS code
COPY README.md LICENSE ./
COPY sigmoidf1 sigmoidf1
COPY storage storage
COPY sweeps sweeps
COPY dashboards dashboards
COPY examples examples
RUN pip install --prefix=/installed --no-deps .

FROM base AS cpu-packages
ARG TORCH_INDEX_URL=""
RUN python docker/image_requirements.py ray > requirements.txt && \
    pip install --prefix=/installed --constraint constraints.txt --requirement requirements.txt \
        ${TORCH_INDEX_URL:+--extra-index-url "${TORCH_INDEX_URL}"}

FROM base AS cuda-packages
RUN python docker/image_requirements.py ray > requirements.txt && \
    pip install --prefix=/installed --constraint constraints.txt --requirement requirements.txt

FROM base AS dashboard-packages
RUN python docker/image_requirements.py dashboard > requirements.txt && \
    pip install --prefix=/installed --constraint constraints.txt --requirement requirements.txt

FROM ${PYTHON_IMAGE} AS runtime
# Below this folder lies what outlives a container: cached embeddings, kept cells, logs of runs.
RUN useradd --create-home --uid 1000 --user-group sigmoidf1 && \
    install --directory --owner=1000 --group=1000 \
        /var/lib/sigmoidf1 /var/lib/sigmoidf1/cache /var/lib/sigmoidf1/kept /var/lib/sigmoidf1/logs
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/home/sigmoidf1 \
    SIGMOIDF1_CACHE=/var/lib/sigmoidf1/cache \
    SIGMOIDF1_KEPT=/var/lib/sigmoidf1/kept \
    SIGMOIDF1_LOGS=/var/lib/sigmoidf1/logs
WORKDIR /home/sigmoidf1
ENTRYPOINT ["sigmoidf1"]

FROM runtime AS dashboard
# Chromium draws figures as PNG, SVG and PDF; without it they are HTML and CSV.
ARG WITH_CHROMIUM=""
RUN if [ -n "${WITH_CHROMIUM}" ]; then \
        apt-get update && apt-get install --yes --no-install-recommends chromium && \
        rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=dashboard-packages /installed /usr/local
COPY --from=code /installed /usr/local
USER 1000:1000
EXPOSE 8050
CMD ["dashboard", "--host", "0.0.0.0", "--port", "8050"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /installed /usr/local
COPY --from=code /installed /usr/local
COPY --chown=1000:1000 examples examples
USER 1000:1000
CMD ["--help"]

FROM runtime AS cpu
COPY --from=cpu-packages /installed /usr/local
COPY --from=code /installed /usr/local
COPY --chown=1000:1000 examples examples
USER 1000:1000
CMD ["--help"]
