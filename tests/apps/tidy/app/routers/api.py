from fastapi import APIRouter, Depends

from app.dependencies import current_user
from app.routers import auth, authors, books, holds, loans, reference, users

router = APIRouter(prefix="/api/v1")
router.include_router(auth.router)
router.include_router(users.router)
router.include_router(authors.router)
router.include_router(books.router)
router.include_router(loans.router)
router.include_router(holds.router)
router.include_router(reference.router, dependencies=[Depends(current_user)])
