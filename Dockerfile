# One image for every service of Mosaic; which of them it runs is the command (see compose.yaml).
FROM python:3.11.13-slim-bookworm AS packages
# Without a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu, some gigabytes less.
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY pyproject.toml requirements.lock ./
# What the site needs to run, at the locked versions, and none of the tools.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > wanted.txt
RUN /opt/venv/bin/pip install --requirement wanted.txt --constraint requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/mosaic mosaic
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/mosaic
COPY . .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TOKENIZERS_PARALLELISM=false \
    DJANGO_SETTINGS_MODULE=mosaic_site.settings.production \
    MOSAIC_HOME=/var/lib/mosaic \
    MEDIA_ROOT=/var/lib/mosaic/media \
    STATIC_ROOT=/opt/mosaic/staticfiles
# The settings want every secret and address; none of these stays in the image.
RUN SECRET_KEY=x ALLOWED_HOSTS=x DATABASE_URL=sqlite://:memory: REDIS_URL=redis://x MOSAIC_URL=https://x \
    python manage.py collectstatic --no-input
RUN install -d -o mosaic -g mosaic /var/lib/mosaic/media
USER mosaic
VOLUME /var/lib/mosaic
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "manage.py", "service", "web", "--check"]
CMD ["python", "manage.py", "service", "web", "--host", "0.0.0.0"]
