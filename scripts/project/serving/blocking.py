"""Library calls that hold the calling thread: what each does while it waits, and its asynchronous counterpart.

Source: the libraries' own documentation; each name resolves to a function that does I/O, waits, or computes for long
without returning to the event loop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Blocking:
    """kind: sleep, network, database, subprocess, file, upload, hashing, compute, lock or loop.

    `instead` is what does not block.
    """

    kind: str
    instead: str


_HTTP = Blocking("network", "httpx.AsyncClient")
_SLEEP = Blocking("sleep", "asyncio.sleep")
_PROCESS = Blocking("subprocess", "asyncio.create_subprocess_exec")
_FILE = Blocking("file", "anyio.open_file or a thread")
_HASH = Blocking("hashing", "run_in_threadpool")
_THREAD = Blocking("network", "run_in_threadpool")
_SESSION = Blocking("database", "AsyncSession")
_INSPECTION = Blocking("database", "AsyncConnection.run_sync")
_THREAD_DATABASE = Blocking("database", "run_in_threadpool")
_COMPUTE = Blocking("compute", "a plain def path operation, a process pool or a worker")
_LOOP = Blocking("loop", "await")


_BY_SUPABASE = Blocking("network", "supabase.acreate_client")


def _table(kind: Blocking, names: str) -> dict[str, Blocking]:
    return dict.fromkeys(names.split(), kind)


FUNCTIONS: dict[str, Blocking] = {
    **_table(_SLEEP, "time.sleep"),
    **_table(
        _HTTP,
        "requests.get requests.post requests.put requests.patch requests.delete requests.head "
        "requests.options requests.request urllib.request.urlopen urllib.request.urlretrieve httpx.get "
        "httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.options httpx.request httpx.stream "
        "httpx2.get httpx2.post httpx2.put httpx2.patch httpx2.delete httpx2.head httpx2.options "
        "httpx2.request httpx2.stream urllib3.request feedparser.parse",
    ),
    **_table(
        _PROCESS,
        "subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.getoutput "
        "subprocess.getstatusoutput subprocess.Popen.wait subprocess.Popen.communicate os.system os.popen "
        "os.wait os.waitpid",
    ),
    **_table(
        _FILE,
        "builtins.open io.open shutil.copy shutil.copy2 shutil.copyfile shutil.copyfileobj shutil.copytree "
        "shutil.move shutil.rmtree shutil.make_archive shutil.unpack_archive os.listdir os.scandir os.walk "
        "os.remove os.unlink os.rename os.replace os.makedirs os.mkdir os.rmdir os.stat os.path.exists "
        "os.path.isfile os.path.isdir os.path.getsize os.path.getmtime glob.glob pathlib.Path.open "
        "pathlib.Path.read_text pathlib.Path.read_bytes pathlib.Path.write_text pathlib.Path.write_bytes "
        "pathlib.Path.mkdir pathlib.Path.unlink pathlib.Path.iterdir pathlib.Path.glob pathlib.Path.rglob "
        "pathlib.Path.stat pathlib.Path.exists pathlib.Path.is_file pathlib.Path.is_dir pathlib.Path.rename "
        "pathlib.Path.replace pathlib.Path.rmdir pathlib.Path.touch zipfile.ZipFile tarfile.open gzip.open "
        "tempfile.mkdtemp tempfile.mkstemp tempfile.TemporaryDirectory tempfile.NamedTemporaryFile",
    ),
    **_table(
        Blocking("upload", "await file.read(size)"),
        "typing.BinaryIO.read typing.BinaryIO.readlines typing.BinaryIO.readline",
    ),
    **_table(
        _HASH,
        "bcrypt.hashpw bcrypt.checkpw hashlib.pbkdf2_hmac hashlib.scrypt pwdlib.PasswordHash.hash "
        "pwdlib.PasswordHash.verify pwdlib.PasswordHash.verify_and_update "
        "pwdlib.PasswordHash.recommended().hash pwdlib.PasswordHash.recommended().verify "
        "pwdlib.PasswordHash.recommended().verify_and_update passlib.context.CryptContext.hash "
        "passlib.context.CryptContext.verify passlib.context.CryptContext.verify_and_update "
        "argon2.PasswordHasher.hash argon2.PasswordHasher.verify fastapi_users.password.PasswordHelper.hash "
        "fastapi_users.password.PasswordHelper.verify_and_update werkzeug.security.generate_password_hash "
        "werkzeug.security.check_password_hash",
    ),
    **_table(
        Blocking("database", "asyncpg or psycopg.AsyncConnection"),
        "psycopg2.connect psycopg.connect psycopg.Connection.connect",
    ),
    **_table(Blocking("database", "asyncmy or aiomysql"), "pymysql.connect MySQLdb.connect mysql.connector.connect"),
    **_table(Blocking("database", "aiosqlite"), "sqlite3.connect"),
    **_table(
        _THREAD,
        "jwt.PyJWKClient.get_signing_key_from_jwt jwt.PyJWKClient.get_signing_key jwt.PyJWKClient.get_signing_keys "
        "jwt.PyJWKClient.get_jwk_set jwt.PyJWKClient.fetch_data "
        "socket.getaddrinfo socket.gethostbyname socket.create_connection ssl.get_server_certificate "
        "dns.resolver.query dns.resolver.resolve smtplib.SMTP smtplib.SMTP_SSL imaplib.IMAP4 "
        "imaplib.IMAP4_SSL poplib.POP3 ftplib.FTP kubernetes.config.load_kube_config git.Repo.clone_from "
        "celery.result.AsyncResult.get playwright.sync_api.sync_playwright fabric.Connection.run "
        "fabric.Connection.sudo "
        "replicate.run openai.Completion.create openai.ChatCompletion.create openai.Image.create "
        "openai.Embedding.create openai.Audio.transcribe openai.Moderation.create nltk.download "
        "huggingface_hub.snapshot_download huggingface_hub.hf_hub_download yt_dlp.YoutubeDL.extract_info "
        "kafka.KafkaProducer.send().get google.generativeai.embed_content "
        "google.generativeai.GenerativeModel.generate_content google.generativeai.GenerativeModel.count_tokens "
        "google.generativeai.GenerativeModel.start_chat().send_message "
        "firebase_admin.auth.verify_id_token firebase_admin.auth.verify_session_cookie firebase_admin.auth.get_user "
        "firebase_admin.auth.get_user_by_email firebase_admin.auth.create_user firebase_admin.auth.update_user "
        "firebase_admin.auth.delete_user firebase_admin.messaging.send firebase_admin.messaging.send_each "
        "pywebpush.webpush apprise.Apprise.notify apns2.client.APNsClient.send_notification",
    ),
    **_table(
        Blocking("network", "litellm's function of the same name with an a in front (acompletion)"),
        "litellm.completion litellm.embedding litellm.text_completion litellm.image_generation litellm.transcription "
        "litellm.speech litellm.moderation litellm.rerank litellm.responses",
    ),
    **_table(
        Blocking("network", "ollama.AsyncClient"),
        "ollama.chat ollama.generate ollama.embed ollama.embeddings ollama.pull ollama.list ollama.show",
    ),
    **_table(
        _COMPUTE,
        "pandas.read_csv pandas.read_excel pandas.read_parquet pandas.read_json pandas.read_sql "
        "pandas.read_sql_query pandas.read_html PIL.Image.open().save PIL.Image.open().resize "
        "PIL.Image.open().convert PIL.Image.open().thumbnail cv2.imread cv2.imwrite "
        "pytesseract.image_to_string openpyxl.load_workbook pdf2image.convert_from_path numpy.load "
        "pdf2image.convert_from_bytes whisper.load_model whisper.load_model().transcribe torch.load joblib.load "
        "joblib.load().predict weasyprint.HTML.write_pdf sentence_transformers.SentenceTransformer.encode "
        "sentence_transformers.CrossEncoder.predict sentence_transformers.CrossEncoder.rank "
        "transformers.Pipeline.__call__",
    ),
    **_table(
        Blocking("lock", "asyncio.Lock, asyncio.Event or asyncio.Queue"),
        "threading.Event.wait threading.Thread.join queue.Queue.get queue.Queue.join "
        "concurrent.futures.Future.result concurrent.futures.as_completed concurrent.futures.wait "
        "threading.Barrier.wait threading.Condition.wait "
        "concurrent.futures.ThreadPoolExecutor.map concurrent.futures.ProcessPoolExecutor.map",
    ),
    **_table(
        _LOOP,
        "asyncio.run asyncio.AbstractEventLoop.run_until_complete asgiref.sync.async_to_sync().__call__",
    ),
    **_table(Blocking("compute", "removal"), "builtins.input builtins.breakpoint pdb.set_trace"),
}

# Questions to the local file system and its single entries: microseconds, worth a word only beside real reading.
METADATA = frozenset(
    "os.path.exists os.path.isfile os.path.isdir os.path.getsize os.path.getmtime os.stat os.makedirs os.mkdir "
    "os.remove os.unlink os.rename os.replace os.rmdir pathlib.Path.exists pathlib.Path.is_file pathlib.Path.is_dir "
    "pathlib.Path.stat pathlib.Path.mkdir pathlib.Path.unlink pathlib.Path.touch pathlib.Path.rename "
    "pathlib.Path.replace pathlib.Path.rmdir tempfile.mkdtemp tempfile.mkstemp io.File.flush".split()
)

_INSPECTOR = frozenset(
    "get_table_names get_view_names get_columns get_indexes get_pk_constraint get_foreign_keys get_schema_names "
    "get_unique_constraints get_check_constraints get_table_comment has_table reflect_table".split()
)
_HTTP_VERBS = frozenset("get post put patch delete head options request send stream urlopen getresponse".split())
_CURSOR = frozenset(
    "execute executemany executescript callproc fetchone fetchall fetchmany commit rollback copy_from copy_to "
    "copy_expert".split()
)
_SESSION_VERBS = frozenset(
    "execute exec scalar scalars get get_one delete commit flush refresh rollback merge connection "
    "run_callable bulk_save_objects bulk_insert_mappings bulk_update_mappings".split()
)
_QUERY_VERBS = frozenset("all first one one_or_none scalar scalars count get delete update __iter__".split())
_FILE_VERBS = frozenset("read write readline readlines writelines truncate flush extractall extract open".split())

# Objects of which exactly these methods block.
METHODS: dict[str, tuple[Blocking, frozenset[str]]] = {
    **dict.fromkeys(
        (
            "requests.Session httpx.Client httpx2.Client urllib3.PoolManager http.client.HTTPConnection "
            "http.client.HTTPSConnection httplib2.Http"
        ).split(),
        (_HTTP, _HTTP_VERBS),
    ),
    **{
        cls: (Blocking("database", "psycopg.AsyncConnection or asyncpg"), _CURSOR)
        for cls in "psycopg2.Connection psycopg2.Cursor psycopg.Connection psycopg.Cursor".split()
    },
    **{
        cls: (Blocking("database", "an asynchronous driver"), _CURSOR)
        for cls in (
            "pymysql.Connection pymysql.Cursor "
            "snowflake.connector.Connection snowflake.connector.Cursor "
            "mysql.connector.Connection mysql.connector.Cursor "
            "MySQLdb.Connection sqlite3.Connection sqlite3.Cursor"
        ).split()
    },
    **dict.fromkeys(
        "sqlalchemy.orm.Session sqlmodel.Session sqlalchemy.Connection".split(), (_SESSION, _SESSION_VERBS)
    ),
    "sqlalchemy.orm.Query": (_SESSION, _QUERY_VERBS),
    "sqlalchemy.orm.sessionmaker": (_SESSION, _SESSION_VERBS),  # only a scoped_session around one has these
    "sqlalchemy.Engine": (_SESSION, frozenset("connect raw_connection begin".split())),
    "sqlalchemy.Inspector": (_INSPECTION, _INSPECTOR),
    **dict.fromkeys(
        "sqlalchemy.MetaData sqlalchemy.orm.DeclarativeBase.metadata sqlmodel.SQLModel.metadata".split(),
        (_INSPECTION, frozenset("create_all drop_all reflect".split())),
    ),
    "peewee.Model": (
        _THREAD_DATABASE,
        frozenset("get get_by_id get_or_none get_or_create create save delete_instance delete_by_id".split()),
    ),
    "duckdb.Connection": (_THREAD_DATABASE, frozenset("execute executemany sql query fetchall fetchone".split())),
    "redis.Pipeline": (Blocking("database", "redis.asyncio.Redis"), frozenset(("execute",))),
    "io.File": (_FILE, _FILE_VERBS),
    "zipfile.ZipFile": (_FILE, _FILE_VERBS),
    "tarfile.TarFile": (_FILE, _FILE_VERBS),
    "smtplib.SMTP": (_THREAD, frozenset("sendmail send_message login starttls connect quit".split())),
    "imaplib.IMAP4": (_THREAD, frozenset("login search fetch select store".split())),
    "ftplib.FTP": (_THREAD, frozenset("login retrbinary storbinary nlst cwd connect".split())),
    "paramiko.SSHClient": (_THREAD, frozenset("connect exec_command open_sftp".split())),
    "ldap3.Connection": (_THREAD, frozenset("bind search add delete modify start_tls rebind".split())),
    "kafka.KafkaProducer": (_THREAD, frozenset(("flush",))),
    "kafka.KafkaConsumer": (_THREAD, frozenset(("poll", "commit", "__iter__"))),
    "confluent_kafka.Producer": (_THREAD, frozenset(("flush",))),
    "confluent_kafka.Consumer": (_THREAD, frozenset(("poll", "consume", "commit"))),
    "mongoengine.Document": (
        Blocking("database", "beanie or pymongo.AsyncMongoClient"),
        frozenset("save delete reload update modify objects".split()),
    ),
    "socket.socket": (_THREAD, frozenset("connect recv recv_into accept sendall makefile".split())),
    "multiprocessing.pool.Pool": (
        Blocking("lock", "asyncio.to_thread or loop.run_in_executor"),
        frozenset("map starmap apply join".split()),
    ),
    "pandas.DataFrame": (_COMPUTE, frozenset("to_csv to_excel to_parquet to_sql to_json to_html".split())),
    "pywebpush.WebPusher": (_THREAD, frozenset(("send",))),
    "pusher.Pusher": (_THREAD, frozenset("trigger trigger_batch channel_info channels_info users_info".split())),
    "telebot.TeleBot": (
        Blocking("network", "telebot.async_telebot.AsyncTeleBot"),
        frozenset(
            "send_message reply_to send_photo send_document send_video send_audio send_media_group send_invoice "
            "edit_message_text delete_message answer_callback_query get_me get_chat get_chat_member get_file "
            "download_file set_webhook delete_webhook remove_webhook get_webhook_info polling infinity_polling".split()
        ),
    ),
    "pika.BlockingConnection": (_THREAD, frozenset("channel process_data_events sleep".split())),
}

# Service clients: any method blocks, at any depth of attributes (`client.chat.completions.create`).
CLIENTS: dict[str, Blocking] = {
    **_table(Blocking("database", "redis.asyncio.Redis"), "redis.Redis redis.RedisCluster"),
    **_table(
        Blocking("database", "pymongo.AsyncMongoClient"),
        "pymongo.MongoClient pymongo.collection.Collection pymongo.database.Database",
    ),
    **_table(Blocking("database", "AsyncElasticsearch"), "elasticsearch.Elasticsearch opensearchpy.OpenSearch"),
    **_table(Blocking("database", "AsyncGraphDatabase"), "neo4j.Driver neo4j.GraphDatabase.driver() neo4j.Session"),
    **_table(Blocking("database", "clickhouse_connect.get_async_client"), "clickhouse_connect.Client"),
    **_table(Blocking("network", "ollama.AsyncClient"), "ollama.Client"),
    **_table(Blocking("network", "aioboto3"), "boto3.Client boto3.Resource"),
    **_table(Blocking("network", "openai.AsyncOpenAI"), "openai.OpenAI openai.AzureOpenAI"),
    **_table(Blocking("network", "anthropic.AsyncAnthropic"), "anthropic.Anthropic"),
    **_table(
        _THREAD,
        "google.cloud.storage.Client google.cloud.bigquery.Client google.cloud.firestore.Client "
        "google.genai.Client minio.Minio cohere.Client "
        "mistralai.Mistral groq.Groq replicate.Client pinecone.Pinecone pinecone.Index "
        "qdrant_client.QdrantClient weaviate.Client chromadb.HttpClient chromadb.PersistentClient twilio.rest.Client "
        "sendgrid.SendGridAPIClient docker.DockerClient hvac.Client consul.Consul slack_sdk.WebClient "
        "slack_sdk.web.WebClient slack_sdk.web.client.WebClient slack_sdk.webhook.WebhookClient pyfcm.FCMNotification "
        "onesignal_sdk.client.Client mailjet_rest.Client mailchimp_transactional.Client plivo.RestClient "
        "notion_client.Client "
        "selenium.webdriver.Chrome selenium.webdriver.Firefox selenium.webdriver.Remote stripe.StripeClient "
        "github.Github gitlab.Gitlab influxdb_client.InfluxDBClient cassandra.cluster.Session "
        "langfuse.Langfuse.api",
    ),
}
# Results of these clients are proxies whose methods go to the service again.
_PROXIES = (
    "google.cloud.",
    "azure.",
    "docker.",
    "boto3.Resource",
    "pymongo.",
    "github.",
    "gitlab.",
    "twilio.",
    "chromadb.",
)
_STRIPE = re.compile(
    r"stripe\.(?:[a-z_]+\.)?[A-Z]\w*\.(?:create|retrieve|modify|delete|list|search|confirm|cancel|capture)"
)
_LANGCHAIN = re.compile(r"langchain\w*\.(?:\w+\.)*[A-Z]\w*\.(?:invoke|batch|stream)")
_SUPABASE = re.compile(r"supabase\.Client\.(?:(?:table|from_|rpc)\(\).*\.execute|(?:auth|storage)\..*\w)")
_AZURE = re.compile(r"azure\.(?!.*\.aio\.)(?:[a-z_]+\.)+\w*Client")
_KUBERNETES = re.compile(r"kubernetes\.client\.\w*Api")
_ONLY_MEMORY = frozenset(
    "close __enter__ __exit__ pipeline lock register_script pubsub connection_pool get_database "
    "get_default_database get_collection exceptions meta get_paginator generate_presigned_url "
    "generate_presigned_post Bucket Table Object Queue Topic with_options copy bucket blob "
    "get_container_client get_blob_client get_queue_client from_string lower upper strip split get items keys "
    "values append startswith endswith format join model_dump model_dump_json to_dict dict json from_url "
    "from_connection_string from_service_account_json generate_db_auth_token get_connection_kwargs".split()
)


@cache
def kind_of(dotted: str) -> str:
    """The kind of a blocking library name, "" for one that does not block."""
    found = blocking(dotted)
    return found.kind if found is not None else ""


@cache
def blocking(dotted: str) -> Blocking | None:
    """What a canonical library name does to the thread that calls it; None when it does not block."""
    known = FUNCTIONS.get(dotted)
    if known is not None:
        return known
    if _STRIPE.fullmatch(dotted) or _LANGCHAIN.fullmatch(dotted):
        return _THREAD
    if dotted.startswith("supabase."):
        return _BY_SUPABASE if _SUPABASE.fullmatch(dotted) else None
    owner, _, method = dotted.rpartition(".")
    kind, methods = METHODS.get(owner, (None, frozenset()))
    if kind is not None:
        return kind if method in methods else None
    return _by_client(dotted, method)


def _family(cls: str) -> Blocking | None:
    """Clients that a library has dozens of, by its naming."""
    if cls.startswith("azure."):
        return _THREAD if _AZURE.fullmatch(cls) else None
    return _THREAD if cls.startswith("kubernetes.") and _KUBERNETES.fullmatch(cls) else None


def _by_client(dotted: str, method: str) -> Blocking | None:
    head = dotted
    while "." in head:
        head = head.rpartition(".")[0]
        client = CLIENTS.get(head) or _family(head)
        if client is not None:
            direct = head == dotted.rpartition(".")[0]
            if any(part.startswith("_") and part != "__iter__" for part in dotted[len(head) + 1 :].split(".")):
                return None
            if method in _ONLY_MEMORY and not (direct and method in ("get", "keys", "dict", "json", "copy", "append")):
                return None
            return client if "()" not in dotted[len(head) :] or head.startswith(_PROXIES) else None
    return None
