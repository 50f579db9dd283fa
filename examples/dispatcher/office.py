"""Durable objects: the office with its rooms, and the messages that people write."""

from __future__ import annotations

from typing import Any

import dbzero as db0

__all__ = ["Message", "Office", "Room"]


@db0.memo(id="examples/dispatcher/room")
class Room:
    """A meeting room.

    Attributes:
        name (str): what people call it
        seats (int): how many people it seats

    STATEK-ACL
        +name
        +seats
        +is_free
        +book
    """

    def __init__(self, name: str, seats: int, taken: list[int]) -> None:
        self.name = name
        self.seats = seats
        self.bookings: Any = {str(hour): "taken" for hour in taken}

    def is_free(self, hour: int) -> bool:
        """Whether the room is free tomorrow from that full hour on."""
        return str(hour) not in self.bookings

    def book(self, hour: int, title: str) -> None:
        """Book the room for tomorrow, for one hour."""
        if not self.is_free(hour):
            raise ValueError(f"room {self.name} is taken at {hour}:00")
        self.bookings[str(hour)] = title


@db0.memo(id="examples/dispatcher/office")
class Office:
    """The office.

    Attributes:
        rooms (list): its rooms

    STATEK-ACL
        +rooms
        +room
    """

    def __init__(self, rooms: list[Room]) -> None:
        self.rooms: Any = rooms

    def room(self, name: str) -> Room:
        """The room of that name."""
        for room in self.rooms:
            if room.name == name:
                found: Room = room
                return found
        raise LookupError(f"there is no room {name!r}")


@db0.memo(id="examples/dispatcher/message")
class Message:
    """What somebody asks for.

    Attributes:
        sender (str): who
        text (str): the request
        office (Office): the sender's office

    STATEK-ACL
        +sender
        +text
        +office
    """

    def __init__(self, sender: str, text: str, office: Office) -> None:
        self.sender = sender
        self.text = text
        self.office = office
