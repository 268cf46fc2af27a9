from fastapi import APIRouter, Depends, status

from app.dependencies import LoginForm, UserServiceDep, limit_logins, limit_registrations
from app.schemas.common import ErrorOut
from app.schemas.users import TokenOut, UserCreate, UserPublic

router = APIRouter(prefix="/auth", tags=["auth"], responses={429: {"model": ErrorOut}})


@router.post("/token", dependencies=[Depends(limit_logins)], responses={401: {"model": ErrorOut}})
async def issue_token(form: LoginForm, users: UserServiceDep) -> TokenOut:
    """Exchange address and password for an access token."""
    return TokenOut(access_token=await users.log_in(form.username, form.password))


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(limit_registrations)],
    responses={409: {"model": ErrorOut}},
)
async def register(new: UserCreate, users: UserServiceDep) -> UserPublic:
    """Become a member."""
    return UserPublic.model_validate(await users.register(new))
