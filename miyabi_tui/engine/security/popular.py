"""Names of packages that everybody knows, which is why others take names that look like them."""

from __future__ import annotations

from miyabi_tui.engine.security.manifests import CRATES, GEMS, GO, NPM, PYPI

_PYPI = """
aiohttp aiosqlite alembic ansible anthropic anyio apscheduler arrow asyncpg attr attrs authlib
autopep8 babel bandit bcrypt beautifulsoup4 black bleach boto boto3 botocore bottle brotli
cachetools cattrs cchardet celery certifi cffi chardet charset-normalizer click cloudpickle
colorama coloredlogs coverage cryptography cython dacite dask dateparser deepdiff django
django-filter djangorestframework dnspython docker docutils elasticsearch email-validator environs
faker fastapi fastavro fastparquet filelock flake8 flask flask-cors flask-login flask-sqlalchemy
freezegun fsspec gevent gitpython google-api-core google-auth google-cloud-storage gpytorch
graphql-core greenlet grpcio gsutil gunicorn h11 h5py hatch hatchling hjson httpcore httplib2
httptools httpx huggingface-hub hypothesis idna ijson imageio importlib-metadata inflect ipython
isort itsdangerous jax jedi jinja2 jmespath joblib jsonschema jupyter keras keyring kombu
langchain librosa lightgbm loguru lxml mako markdown markdown-it-py markdown2 markupsafe
marshmallow matplotlib mock mocks mongoengine more-itertools msgpack msgspec multidict mypy
mysqlclient networkx nltk nose notebook numba numpy oauthlib openai opencv-python openpyxl orjson
oscrypto packaging pandas paramiko parse parso parsy passlib pathspec peewee pexpect pika pillow
pip pipenv platformdirs playwright plotly pluggy ply poetry polars pre-commit prettytable
prometheus-client prompt-toolkit protobuf psutil psycopg psycopg-binary psycopg2 psycopg2-binary
pyaml pyarrow pyasn1 pycparser pycryptodome pycryptodomex pydantic pydantic-core pydub pyflakes
pygame pygments pyinstaller pyjwt pylint pymongo pymssql pymupdf pymysql pynacl pyopenssl
pyparsing pyperclip pyright pyserial pytest pytest-asyncio pytest-cov pytest-django pytest-mock
pytest-timeout pytest-xdist python-dateutil python-decouple python-dotenv python-jose
python-multipart python-slugify pytorch pytz pywin32 pyyaml pyzmq redis regex reportlab requests
requests-oauthlib requests-toolbelt responses respx rich rsa ruamel-yaml ruff s3fs s3transfer
scapy scikit-image scikit-learn scipy scrapy seaborn selenium sentry-sdk setuptools shapely
simplejson six sklearn sniffio sortedcontainers soupsieve spacy sphinx spython sqlalchemy sqlmodel
sqlparse starlette statsmodels structlog sympy tabulate tenacity tensorboard tensorboardx
tensorflow termcolor textual tiktoken tokenizers toml tomli tomlkit toolz torch torchaudio
torchvision tornado tox tqdm traitlets transformers trio twine twisted typeguard typer
types-requests typing-extensions tzdata tzlocal ujson unicorn urllib3 usort uv uvicorn uvloop
virtualenv watchdog watchfiles wcwidth webcolors websocket-client websockets werkzeug wheel willow
wrapt xgboost xlrd xlsxwriter xmltodict yapf yarl zipp zope-interface zstandard
"""
_NPM = """
@babel/core @types/node ajv angular async autoprefixer axios babel-core babel-loader bcrypt
bluebird body-parser bootstrap browserify chai chalk cheerio chokidar classnames color colord
colors commander compression concurrently cookie-parser core-js cors cross-env cross-spawn
crossenv css-loader cypress d3 date-fns debug dotenv ejs electron enquirer esbuild eslint
eslint-config-prettier eslint-plugin-react event-stream execa express fast-glob fs-extra gaxios
glob got graphql gulp handlebars helmet highlight husky immer inquirer jest jquery js-yaml jsdom
jsonwebtoken karma knex koa less lint-staged lodash log4js lru-cache marked mime minimatch
minimist mkdirp mocha moment mongodb mongoose morgan multer mysql mysql2 nanoid next node-fetch
node-sass nodemailer nodemon npm nyc passport path-to-regexp playwright postcss preact prettier
prisma prop-types puppeteer qs ramda react react-dom react-redux react-router react-router-dom
react-scripts redis redux request rimraf rollup rxjs sass semver sequelize sharp shelljs sinon
socket.io socket.io-client sqlite3 styled-components superagent supertest svelte tailwindcss
terser three ts-jest ts-loader ts-node tslib tsx turbo typeorm typescript ua-parser-js uglify-js
underscore undici uuid validator vite vitest vue vue-router vuex webpack webpack-cli
webpack-dev-server winston ws yargs yarn zod zustand
"""
_CRATES = """
actix-web aes anyhow async-trait axum base64 bincode bitflags bytes cargo cfg-if chrono clap
criterion crossbeam dashmap diesel either env_logger fastrand flate2 futures futures-util
getrandom hashbrown hex http hyper indexmap itertools itoa lazy_static libc log memchr mio nom num
num-traits once_cell openssl parking_lot percent-encoding pin-project proc-macro2 prost quote rand
rand_core rayon regex reqwest ring rocket rusqlite rust_decimal rustls ryu semver serde
serde_derive serde_json serde_yaml sha2 smallvec socket2 sqlx strsim structopt syn tempfile
thiserror time tokio tokio-util toml tonic tower tracing tracing-subscriber unicode-width url uuid
walkdir warp winapi
"""
_GEMS = """
actionpack activerecord activesupport atlas-client aws-sdk bundler capistrano capybara devise
faker faraday haml jekyll json jwt kaminari minitest mysql2 nokogiri omniauth paperclip pg pry
puma rack rails rails-html-sanitizer rake redis resque rest-client rspec rspec-rails rubocop sass
sidekiq simplecov sinatra sqlite3 thor unicorn webmock webpacker
"""
_GO = """
github.com/aws/aws-sdk-go github.com/boltdb/bolt github.com/charmbracelet/bubbletea
github.com/etcd-io/bbolt github.com/fatih/color github.com/gin-gonic/gin github.com/go-redis/redis
github.com/go-sql-driver/mysql github.com/gofiber/fiber github.com/golang/protobuf
github.com/google/uuid github.com/gorilla/mux github.com/gorilla/websocket
github.com/hashicorp/vault github.com/labstack/echo github.com/lib/pq github.com/pkg/errors
github.com/prometheus/client_golang github.com/redis/go-redis github.com/sirupsen/logrus
github.com/spf13/cobra github.com/spf13/viper github.com/stretchr/testify github.com/urfave/cli
go.uber.org/zap golang.org/x/crypto golang.org/x/net golang.org/x/sys golang.org/x/text
google.golang.org/grpc gopkg.in/yaml.v2 gopkg.in/yaml.v3 gorm.io/gorm
"""
POPULAR = {
    PYPI: frozenset(_PYPI.split()),
    NPM: frozenset(_NPM.split()),
    CRATES: frozenset(_CRATES.split()),
    GEMS: frozenset(_GEMS.split()),
    GO: frozenset(_GO.split()),
}
