"""The table of addresses: what the loopback console answers, and what boxes reach over HTTPS."""

from __future__ import annotations

from fleet.console import days_pages as y
from fleet.console import download_pages as w
from fleet.console import drafting_pages as d
from fleet.console import pages as p
from fleet.console import programme_pages as e
from fleet.console import rollout_pages as r
from fleet.console.api import API
from fleet.console.api import ROUTES as API_ROUTES
from fleet.console.ask import Answer, Ask, Route, json_answer
from fleet.console.console import Console
from fleet.console.metrics import metrics
from fleet.console.openapi import describe
from fleet.console.pages import error_page
from fleet.rollouts import RolloutWanted

VERSION = "1"


ROLLOUT_API = (
    Route("GET", f"{API}/rollouts", r.get_rollout, is_api=True, summary="The roll-out"),
    Route("POST", f"{API}/rollouts", r.post_rollout, False, True, "Start, pause, resume or stop",
          RolloutWanted),
)
DOWNLOAD_API = (
    Route("GET", f"{API}/downloads/{{kind}}/{{name}}", w.get_download, is_api=True,
          summary="Download limits of the chain, a group or a box (kind: chain, group, box)"),
    Route("PUT", f"{API}/downloads/{{kind}}/{{name}}", w.put_download, False, True,
          "Limit downloads", w.DownloadWanted),
)
DAYS_API = (
    Route("GET", f"{API}/boxes/{{box}}/days", y.get_store_days, False, True, "Special days"),
    Route("PUT", f"{API}/boxes/{{box}}/days", y.put_store_days, False, True, "Set special days",
          y.DaysWanted),
    Route("GET", f"{API}/programmes/{{programme}}/days", y.get_days, False, True, "Special days"),
    Route("PUT", f"{API}/programmes/{{programme}}/days", y.put_days, False, True,
          "Set special days", y.DaysWanted),
)
ALL_API = (*API_ROUTES, *ROLLOUT_API, *DOWNLOAD_API, *DAYS_API)


def openapi(_console: Console, _ask: Ask) -> Answer:
    """This description."""
    return json_answer(describe(ALL_API, VERSION))


PAGES = (
    Route("GET", "/", p.today),
    Route("GET", "/screens", p.screens),
    Route("GET", "/screens/{box}", p.screen),
    Route("POST", "/screens/{box}", p.save_screen),
    Route("POST", "/screens/{box}/command", p.send_command),
    Route("POST", "/screens/{box}/notice", p.save_notice),
    Route("POST", "/screens/{box}/retire", p.retire),
    Route("GET", "/screens/{box}/picture", p.picture),
    Route("GET", "/screens/{box}/days", y.days),
    Route("POST", "/screens/{box}/days", y.save_days),
    Route("GET", "/programmes/{programme}/days", y.days),
    Route("POST", "/programmes/{programme}/days", y.save_days),
    Route("GET", "/programmes", e.programmes),
    Route("GET", "/programmes/{programme}", e.editor),
    Route("POST", "/programmes/{programme}", e.edit),
    Route("POST", "/programmes/{programme}/undo", e.undo),
    Route("GET", "/programmes/{programme}/lines", e.editor),
    Route("POST", "/programmes/{programme}/lines", d.propose),
    Route("POST", "/programmes/{programme}/lines/take", d.take),
    Route("GET", "/programmes/{programme}/versions/{version}", e.version),
    Route("GET", "/programmes/{programme}/files/{path:path}", e.asset),
    Route("GET", "/downloads", w.chain_download),
    Route("GET", "/downloads/{kind}/{name}", w.download),
    Route("POST", "/downloads/{kind}/{name}", w.save_download),
    Route("GET", "/rollouts", r.rollouts),
    Route("POST", "/rollouts", r.order_rollout),
    Route("GET", "/rollouts/systems", r.rollouts),
    Route("POST", "/rollouts/systems", r.order_rollout),
    Route("GET", "/enrolment", p.enrolment),
    Route("POST", "/enrolment", p.make_ticket),
    Route("GET", "/audit", p.audit),
    Route("GET", "/language", p.choose_language),
    Route("GET", "/static/{name}", p.static, open_to_boxes=True),
)

MACHINES = (
    *ALL_API,
    Route("GET", f"{API}/openapi.json", openapi, True, True),
    Route("GET", "/metrics", metrics, is_api=True),
)

CONSOLE_ROUTES = (*PAGES, *MACHINES)
BOX_ROUTES = MACHINES

__all__ = ["BOX_ROUTES", "CONSOLE_ROUTES", "error_page"]
