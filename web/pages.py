"""The pages of the monitor: templates without figures; what they show comes over the API and the stream."""

from __future__ import annotations

from flask import Blueprint, render_template, request

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def fleet() -> str:
    """Show the fleet."""
    return render_template("fleet.html")


@blueprint.get("/bots/<name>")
def bot(name: str) -> str:
    """Show one bot; whether there is one of that name its API answers say."""
    return render_template("bot.html", name=name)


@blueprint.get("/registry")
def registry() -> str:
    """Show templates, active and archived configs."""
    return render_template("registry.html")


@blueprint.get("/registry/new")
def new_config() -> str:
    """Show the form that makes a config out of a template."""
    return render_template("edit.html", name="")


@blueprint.get("/registry/<name>")
def edit_config(name: str) -> str:
    """Show the form that changes a config."""
    return render_template("edit.html", name=name)


@blueprint.get("/events")
def events() -> str:
    """Show what happened in the fleet."""
    return render_template("events.html")


@blueprint.get("/logs")
def logs() -> str:
    """Show the log of a bot or of the daemon."""
    return render_template("logs.html")


@blueprint.get("/venues")
def venues() -> str:
    """Show request budgets, clock offsets and the health of streams."""
    return render_template("venues.html")


@blueprint.get("/login")
def login() -> str:
    """Show the form that asks for the password; after a wrong one, say so."""
    return render_template("login.html", error="This password is wrong." if request.args.get("wrong") else "")
