"""Whose object it is: forms of real code in which nobody asks, and forms in which somebody does."""

from __future__ import annotations

from tests.security_cases_access import GUARDED, TABLES

START = (
    GUARDED
    + TABLES
    + """
class Project(Base):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

def get_session() -> Session: ...
"""
)

OBJECTS: dict[str, tuple[str, str]] = {
    "the caller is handed to a service that ignores it": (
        "SEC002",
        START
        + """
class Notes:
    def __init__(self, session: Session):
        self.session = session

    def find(self, user_id: int, note_id: int):
        logger.info("note %s for %s", note_id, user_id)
        return self.session.get(Note, note_id)  # SEC002

    def find_own(self, user_id: int, note_id: int):
        note = self.session.get(Note, note_id)
        if note.user_id != user_id:
            raise HTTPException(404)
        return note

@app.get("/notes/{note_id}")
def read(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return Notes(session).find(user.id, note_id)

@app.get("/own/{note_id}")
def read_own(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return Notes(session).find_own(user.id, note_id)
""",
    ),
    "the caller is handed on and on and ignored at the end": (
        "SEC002",
        START
        + """
def load(session: Session, note_id: int, owner):
    return session.get(Note, note_id)  # SEC002

def change(session: Session, note_id: int, user, text: str):
    note = load(session, note_id, owner=user)
    note.text = text
    return note

@app.put("/notes/{note_id}")
def put(note_id: int, text: str, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return change(session, note_id, user, text)
""",
    ),
    "a service that is not written out, or asks somebody": (
        "SEC002",
        START
        + """
from abc import ABC, abstractmethod

class Store(ABC):
    @abstractmethod
    def allow(self, user, note_id: int): ...

def load(session: Session, note_id: int, user):
    decide(user, note_id)
    return session.get(Note, note_id)

@app.get("/a/{note_id}")
def a(note_id: int, store: Store, user=Depends(get_current_user), session: Session = Depends(get_session)):
    store.allow(user, note_id)
    return session.get(Note, note_id)

@app.get("/b/{note_id}")
def b(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return load(session, note_id, user)
""",
    ),
    "stamps do not ask": (
        "SEC002",
        START
        + """
@app.put("/notes/{note_id}")
def put(note_id: int, text: str, user=Depends(get_current_user), session: Session = Depends(get_session)):
    note = session.get(Note, note_id)  # SEC002
    note.fill(text=text, updated_by=user.id)
    return note
""",
    ),
    "one of several does not ask": (
        "SEC002",
        START
        + """
def check_access(project: Project, user):
    if user not in project.people:
        raise HTTPException(403)

@app.get("/projects/{project_id}")
def read(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    return project

@app.put("/projects/{project_id}")
def put(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    project.name = "x"
    return project

@app.delete("/projects/{project_id}")
def remove(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    session.delete(project)

@app.post("/projects/{project_id}/archive")
def archive(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)  # SEC002
    project.name = "archived"
    return project
""",
    ),
    "everybody may read, the owner may write": (
        "SEC002",
        START
        + """
def check_access(project: Project, user):
    if user not in project.people:
        raise HTTPException(403)

@app.post("/projects/{project_id}/name")
def post(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    return project

@app.put("/projects/{project_id}")
def put(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    return project

@app.delete("/projects/{project_id}")
def remove(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    session.delete(project)

@app.get("/projects/{project_id}")
def read(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return session.get(Project, project_id)
""",
    ),
    "a dependency loads and asks, an administrator need not": (
        "SEC002",
        START
        + """
def check_access(project: Project, user):
    if user not in project.people:
        raise HTTPException(403)

def own_project(project_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    project = session.get(Project, project_id)
    check_access(project, user)
    return project

def require_admin(user=Depends(get_current_user)):
    if not user.is_admin:
        raise HTTPException(403)

@app.get("/projects/{project_id}")
def read(project=Depends(own_project)):
    return project

@app.put("/projects/{project_id}")
def put(project=Depends(own_project)):
    return project

@app.patch("/projects/{project_id}")
def patch(project=Depends(own_project)):
    return project

@app.delete("/projects/{project_id}", dependencies=[Depends(require_admin)])
def remove(project_id: int, session: Session = Depends(get_session)):
    session.delete(session.get(Project, project_id))
""",
    ),
    "a class method that compares, whose own name says that it fetches": (
        "SEC002",
        START
        + """
from sqlalchemy import and_

class Paper(Base):
    __tablename__ = "papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]

    @classmethod
    def fetch_one(cls, session, organisation_id, paper_id: int):
        return session.query(Paper).filter(and_(Paper.org_id == organisation_id, Paper.id == paper_id)).first()

@app.get("/papers/{paper_id}")
def read(paper_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return Paper.fetch_one(session, user.organisation_id, paper_id)
""",
    ),
    "others are for administrators, this one has another way to log in": (
        "SEC002",
        START
        + """
def get_admin_user(user=Depends(get_current_user)):
    if not user.is_admin:
        raise HTTPException(403)
    return user

@app.get("/projects/{project_id}")
def read(project_id: int, user=Depends(get_admin_user), session: Session = Depends(get_session)):
    return session.get(Project, project_id)

@app.put("/projects/{project_id}")
def put(project_id: int, user=Depends(get_admin_user), session: Session = Depends(get_session)):
    return session.get(Project, project_id)

@app.delete("/projects/{project_id}")
def remove(project_id: int, user=Depends(get_admin_user), session: Session = Depends(get_session)):
    return session.get(Project, project_id)

def get_machine(request: Request):
    if request.headers.get("authorization") != settings():
        raise HTTPException(401)

def settings(): ...

@app.get("/scim/projects/{project_id}")
def scim(project_id: int, machine=Depends(get_machine), session: Session = Depends(get_session)):
    return session.get(Project, project_id)
""",
    ),
    "a guard about the session whose dependency knows the user": (
        "SEC002",
        START
        + """
class Context:
    def __init__(self, user):
        self.user = user

def require_auth_context(user=Depends(get_current_user)):
    if not user:
        raise HTTPException(401)
    return Context(user)

@app.put("/notes/{note_id}")
def put(note_id: int, context=Depends(require_auth_context), session: Session = Depends(get_session)):
    note = session.get(Note, note_id)  # SEC002
    note.text = "x"
    return note

@app.delete("/notes/{note_id}")
def remove(note_id: int, context=Depends(require_auth_context), session: Session = Depends(get_session)):
    note = session.get(Note, note_id)
    if note.user_id != context.user.id:
        raise HTTPException(404)
    session.delete(note)
""",
    ),
    "a list shows everybody's to everybody who is logged in": (
        "SEC002",
        START
        + """
@app.get("/notes")
def everything(user=Depends(get_current_user), session: Session = Depends(get_session)):
    return session.query(Note).order_by(Note.id).limit(100).all()

@app.get("/notes/{note_id}")
def read(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return session.query(Note).filter(Note.id == note_id).first()

@app.delete("/notes/{note_id}")
def remove(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    session.delete(session.get(Note, note_id))  # SEC002
""",
    ),
    "a list of one's own": (
        "SEC002",
        START
        + """
@app.get("/notes")
def mine(user=Depends(get_current_user), session: Session = Depends(get_session)):
    return session.query(Note).filter(Note.user_id == user.id).all()

@app.get("/notes/{note_id}")
def read(note_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
    return session.query(Note).filter(Note.id == note_id).first()  # SEC002
""",
    ),
    "functions named after rights that decide nothing": (
        "SEC002",
        GUARDED
        + TABLES
        + """
class PublicNote(BaseModel):
    id: int

def get_user_note(session, note_id):
    return session.get(Note, note_id)  # SEC002

def check_length(note):
    print(len(note.text))

def only_owner(note):
    if not mine(note):
        raise HTTPException(403)

def verify_seen(note) -> bool:
    return note.seen

@app.delete("/notes/{note_id}")
def remove(note_id: int, session: Session, user=Depends(get_current_user)):
    note = get_user_note(session, note_id)
    check_length(note)
    session.delete(note)
    return PublicNote(id=note_id)

@app.get("/notes/{note_id}/text")
def read(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)
    only_owner(note)
    return note

@app.get("/notes/{note_id}/outside")
def outside(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)
    library.check_owner(note)
    return note
""",
    ),
    "the caller only becomes the owner of a new row": (
        "SEC002",
        GUARDED
        + TABLES
        + """
@app.post("/notes/{note_id}/copies")
def copy(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)  # SEC002
    session.add(Note(text=note.text, user_id=user.id))

@app.post("/notes/{note_id}/claims")
def claim(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)  # SEC002
    note.user_id = user.id

@app.post("/notes/{note_id}/own")
def own(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)
    if note.user_id == user.id:
        session.add(Note(text=note.text, user_id=user.id))
""",
    ),
    "a role that every customer has": (
        "SEC002",
        GUARDED
        + TABLES
        + """
import enum

class Role(enum.Enum):
    ADMIN = "admin"
    CUSTOMER = "customer"

def require_role(*roles):
    def check(user=Depends(get_current_user)):
        if user.role not in roles:
            raise HTTPException(403)
        return user
    return check

@app.delete("/notes/{note_id}")
def remove(note_id: int, session: Session, user=Depends(require_role(Role.CUSTOMER, Role.ADMIN))):
    session.delete(session.get(Note, note_id))  # SEC002

@app.delete("/admin/notes/{note_id}")
def remove_any(note_id: int, session: Session, user=Depends(require_role(Role.ADMIN))):
    session.delete(session.get(Note, note_id))
""",
    ),
}
