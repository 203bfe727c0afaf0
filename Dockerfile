# One image for the command line, Ray and the dashboard.
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/home/sigmoidf1

# Ray and the embedding cache write below HOME.
RUN useradd --create-home --home-dir /home/sigmoidf1 --uid 1000 sigmoidf1
WORKDIR /opt/sigmoidf1

COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY sigmoidf1 sigmoidf1
COPY storage storage
COPY sweeps sweeps
COPY dashboards dashboards
RUN pip install --constraint constraints.txt '.[demo,postgres]'
COPY examples examples

USER sigmoidf1
WORKDIR /home/sigmoidf1
EXPOSE 8050
ENTRYPOINT ["sigmoidf1"]
CMD ["--help"]
