"""Library calls that hold the calling thread: what each does while it waits, and its asynchronous counterpart.

Source: the libraries' own documentation; each name resolves to a function that does I/O, waits, or computes for long
without returning to the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blocking:
    """kind: sleep, network, database, subprocess, file, hashing, compute, lock or loop; `instead` does not block."""

    kind: str
    instead: str


_HTTP = Blocking("network", "httpx.AsyncClient")
_SLEEP = Blocking("sleep", "asyncio.sleep")
_PROCESS = Blocking("subprocess", "asyncio.create_subprocess_exec")
_FILE = Blocking("file", "anyio.open_file or a thread")
_HASH = Blocking("hashing", "run_in_threadpool")
_THREAD = Blocking("network", "run_in_threadpool")
_SESSION = Blocking("database", "AsyncSession")
_COMPUTE = Blocking("compute", "a plain def path operation, a process pool or a worker")
_LOOP = Blocking("loop", "await")


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
        "tempfile.mkdtemp tempfile.mkstemp typing.BinaryIO.read",
    ),
    **_table(
        _HASH,
        "bcrypt.hashpw bcrypt.checkpw bcrypt.gensalt hashlib.pbkdf2_hmac hashlib.scrypt "
        "pwdlib.PasswordHash.hash pwdlib.PasswordHash.verify pwdlib.PasswordHash.verify_and_update "
        "pwdlib.PasswordHash.recommended().hash pwdlib.PasswordHash.recommended().verify "
        "pwdlib.PasswordHash.recommended().verify_and_update passlib.context.CryptContext.hash "
        "passlib.context.CryptContext.verify passlib.context.CryptContext.verify_and_update "
        "argon2.PasswordHasher.hash argon2.PasswordHasher.verify werkzeug.security.generate_password_hash "
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
        "socket.getaddrinfo socket.gethostbyname socket.create_connection ssl.get_server_certificate "
        "dns.resolver.query dns.resolver.resolve smtplib.SMTP smtplib.SMTP_SSL imaplib.IMAP4 "
        "imaplib.IMAP4_SSL poplib.POP3 ftplib.FTP kubernetes.config.load_kube_config git.Repo.clone_from "
        "replicate.run openai.Completion.create openai.ChatCompletion.create openai.Image.create "
        "openai.Embedding.create openai.Audio.transcribe openai.Moderation.create nltk.download "
        "huggingface_hub.snapshot_download huggingface_hub.hf_hub_download yt_dlp.YoutubeDL.extract_info",
    ),
    **_table(
        _COMPUTE,
        "pandas.read_csv pandas.read_excel pandas.read_parquet pandas.read_json pandas.read_sql "
        "pandas.read_sql_query pandas.read_html PIL.Image.open cv2.imread cv2.imwrite "
        "pytesseract.image_to_string openpyxl.load_workbook pdf2image.convert_from_path "
        "pdf2image.convert_from_bytes whisper.load_model torch.load joblib.load",
    ),
    **_table(
        Blocking("lock", "asyncio.Lock, asyncio.Event or asyncio.Queue"),
        "threading.Event.wait threading.Thread.join queue.Queue.get queue.Queue.join "
        "concurrent.futures.Future.result concurrent.futures.as_completed concurrent.futures.wait "
        "threading.Barrier.wait threading.Condition.wait",
    ),
    **_table(
        _LOOP,
        "asyncio.run asyncio.AbstractEventLoop.run_until_complete "
        "asgiref.sync.async_to_sync().__call__ celery.result.AsyncResult.get",
    ),
    **_table(Blocking("compute", "removal"), "builtins.input builtins.breakpoint pdb.set_trace"),
}

# Any method of these objects blocks, except those in HARMLESS.
CLIENTS: dict[str, Blocking] = {
    **_table(
        _HTTP,
        "requests.Session httpx.Client httpx2.Client urllib3.PoolManager "
        "http.client.HTTPConnection http.client.HTTPSConnection httplib2.Http",
    ),
    **_table(
        Blocking("database", "psycopg.AsyncConnection or asyncpg"),
        "psycopg2.Connection psycopg2.Cursor psycopg.Connection psycopg.Cursor",
    ),
    **_table(
        Blocking("database", "an asynchronous driver"),
        "pymysql.Connection pymysql.Cursor "
        "mysql.connector.Connection mysql.connector.Cursor sqlite3.Connection sqlite3.Cursor",
    ),
    **_table(Blocking("database", "redis.asyncio.Redis"), "redis.Redis redis.RedisCluster redis.sentinel.Sentinel"),
    **_table(
        Blocking("database", "pymongo.AsyncMongoClient"),
        "pymongo.MongoClient pymongo.collection.Collection pymongo.database.Database",
    ),
    **_table(Blocking("database", "AsyncElasticsearch"), "elasticsearch.Elasticsearch opensearchpy.OpenSearch"),
    **_table(Blocking("database", "AsyncGraphDatabase"), "neo4j.Driver neo4j.GraphDatabase.driver() neo4j.Session"),
    **_table(Blocking("network", "aioboto3"), "boto3.Client boto3.Resource"),
    **_table(Blocking("network", "openai.AsyncOpenAI"), "openai.OpenAI openai.AzureOpenAI"),
    **_table(Blocking("network", "anthropic.AsyncAnthropic"), "anthropic.Anthropic"),
    **_table(
        _THREAD,
        "google.cloud.storage.Client google.cloud.bigquery.Client google.cloud.pubsub_v1.PublisherClient "
        "google.cloud.firestore.Client google.genai.Client minio.Minio azure.storage.blob.BlobServiceClient "
        "azure.storage.blob.BlobClient azure.storage.blob.ContainerClient azure.keyvault.secrets.SecretClient "
        "cohere.Client mistralai.Mistral groq.Groq replicate.Client pinecone.Pinecone pinecone.Index "
        "qdrant_client.QdrantClient weaviate.Client chromadb.HttpClient twilio.rest.Client "
        "sendgrid.SendGridAPIClient smtplib.SMTP imaplib.IMAP4 ftplib.FTP paramiko.SSHClient "
        "docker.DockerClient pika.BlockingConnection kafka.KafkaProducer kafka.KafkaConsumer "
        "confluent_kafka.Consumer hvac.Client consul.Consul ldap3.Connection kubernetes.client.CoreV1Api "
        "kubernetes.client.BatchV1Api kubernetes.client.AppsV1Api slack_sdk.WebClient notion_client.Client "
        "github.Github gitlab.Gitlab influxdb_client.InfluxDBClient cassandra.cluster.Session "
        "langfuse.Langfuse supabase.Client",
    ),
    **_table(_FILE, "io.File zipfile.ZipFile tarfile.TarFile"),
    **_table(
        _SESSION, "sqlalchemy.orm.Session sqlmodel.Session sqlalchemy.Connection sqlalchemy.orm.Query sqlalchemy.Engine"
    ),
}
_STRIPE = tuple(
    f"stripe.{r}."
    for r in [
        "Customer",
        "PaymentIntent",
        "Subscription",
        "checkout.Session",
        "Invoice",
        "Charge",
        "Refund",
        "Price",
        "Product",
        "SetupIntent",
    ]
)
_STRIPE_METHODS = frozenset("create retrieve modify delete list search confirm cancel capture".split())

# Methods of the clients above that only change memory.
HARMLESS: dict[str, frozenset[str]] = {
    "sqlalchemy.orm.Session": frozenset(
        "add add_all expunge expunge_all expire expire_all begin_nested close get_bind in_transaction is_modified "
        "no_autoflush identity_map new dirty deleted info bind query".split()
    ),
    "sqlalchemy.orm.Query": frozenset(
        "filter filter_by join outerjoin options order_by group_by having limit offset distinct with_entities "
        "select_from subquery label with_for_update execution_options where correlate exists add_columns union "
        "slice enable_eagerloads yield_per".split()
    ),
    "sqlalchemy.Engine": frozenset("dispose url dialect execution_options pool begin name".split()),
    "sqlalchemy.Connection": frozenset(["close", "execution_options", "dialect", "engine", "in_transaction"]),
    "requests.Session": frozenset("mount close headers auth cookies params verify proxies adapters hooks cert".split()),
    "httpx.Client": frozenset(
        "close headers cookies base_url timeout auth params build_request is_closed event_hooks".split()
    ),
    "redis.Redis": frozenset("close connection_pool pipeline lock register_script pubsub".split()),
    "pymongo.MongoClient": frozenset(["close", "get_database", "get_default_database"]),
    "io.File": frozenset("close name fileno closed mode __enter__ tell seek isatty".split()),
    "zipfile.ZipFile": frozenset(["close", "namelist", "infolist", "__enter__", "getinfo"]),
    "tarfile.TarFile": frozenset(["close", "__enter__"]),
    "boto3.Client": frozenset(
        "close exceptions meta get_paginator generate_presigned_url generate_presigned_post".split()
    ),
    "boto3.Resource": frozenset("meta Bucket Table Object Queue Topic".split()),
    "openai.OpenAI": frozenset(["close", "with_options", "copy", "api_key", "base_url"]),
    "google.cloud.storage.Client": frozenset(("bucket",)),
}
_ALIASES = {
    "sqlmodel.Session": "sqlalchemy.orm.Session",
    "httpx2.Client": "httpx.Client",
    "openai.AzureOpenAI": "openai.OpenAI",
}
_QUERY_METHODS = frozenset(
    "all first one one_or_none scalar scalar_one scalars count get delete update execute exec commit flush "
    "refresh rollback merge stream connect run_callable raw_connection __enter__ __iter__ scalar_one_or_none "
    "bulk_save_objects bulk_insert_mappings bulk_update_mappings fetchall fetchone begin get_one".split()
)
_ONLY_QUERY_METHODS = ("sqlalchemy.",)


def blocking(dotted: str) -> Blocking | None:
    """What a canonical library name does to the thread that calls it; None when it does not block."""
    known = FUNCTIONS.get(dotted)
    if known is not None:
        return known
    if dotted.startswith(_STRIPE) and dotted.rsplit(".", 1)[-1] in _STRIPE_METHODS:
        return _THREAD
    head = dotted
    while "." in head:
        head, _, method = head.rpartition(".")
        client = CLIENTS.get(head)
        if client is not None:
            return _method(head, method, dotted, client)
    return None


def _method(cls: str, method: str, dotted: str, client: Blocking) -> Blocking | None:
    owner = _ALIASES.get(cls, cls)
    last = dotted.rsplit(".", 1)[-1]
    if "()" in dotted[len(cls) :] and owner.startswith("sqlalchemy."):
        return None
    if method == "__enter__" and owner != "sqlalchemy.Engine":
        return None
    if owner.startswith(_ONLY_QUERY_METHODS):
        return (
            client
            if method in _QUERY_METHODS and method not in HARMLESS.get(owner, ()) and method != "__enter__"
            else None
        )
    if (method in HARMLESS.get(owner, ()) and last == method) or last in ("close", "__exit__"):
        return None
    return client
