from fastapi import APIRouter, Depends, status

from app.dependencies import CurrentUser, UserServiceDep, current_user
from app.schemas.common import ErrorOut
from app.schemas.users import PasswordChange, UserPublic, UserUpdate

router = APIRouter(
    prefix="/users",
    tags=["users"],
    dependencies=[Depends(current_user)],
    responses={401: {"model": ErrorOut}, 403: {"model": ErrorOut}, 404: {"model": ErrorOut}},
)


@router.get("/me")
async def read_me(user: CurrentUser) -> UserPublic:
    """The account of the caller."""
    return UserPublic.model_validate(user)


@router.patch("/me")
async def update_me(changes: UserUpdate, user: CurrentUser, users: UserServiceDep) -> UserPublic:
    """Change one's own name or preferences."""
    return UserPublic.model_validate(await users.update(user.id, changes))


@router.put("/me/password", status_code=status.HTTP_204_NO_CONTENT)
async def change_password(change: PasswordChange, user: CurrentUser, users: UserServiceDep) -> None:
    """Set a new password; the current one is asked again."""
    await users.change_password(user.id, change)
