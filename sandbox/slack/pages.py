"""What people would see: a page of all that was said, the home tabs, and the modals that are open."""

from collections.abc import Iterable
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sandbox.slack import rendering
from sandbox.slack.rendering import Names
from sandbox.slack.workspace import Conversation, Workspace

MESSAGES_MAX = 100  # of one conversation, the last ones
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_STYLE = """
:root{color-scheme:light dark;--page:#f4f4f6;--paper:#fff;--ink:#1d1c1d;--quiet:#616061;--line:#d9d9de;--accent:#007a5a;
--danger:#c01343;--link:#1264a3;--tint:#fdf6e3;--initial:#7c5cbf;--on:#fff}
@media (prefers-color-scheme:dark){:root{--page:#121214;--paper:#1a1d21;--ink:#e3e3e4;--quiet:#a5a7aa;--line:#3a3d42;
--accent:#00855f;--danger:#f2658c;--link:#6cb8ee;--tint:#2b2820;--initial:#8d6fd1}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.47 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:46rem;margin:0 auto;padding:1rem}
h1{font-size:1.25rem;margin:.25rem 0}h2{font-size:1rem;margin:1.75rem 0 .5rem;color:var(--quiet)}
h3{font-size:1rem;margin:0;padding:.65rem 1rem;border-bottom:1px solid var(--line)}
h4{font-size:1.1rem;line-height:1.3;margin:.6rem 0 .3rem}
p{margin:.15rem 0;overflow-wrap:anywhere}small,time{color:var(--quiet);font-size:.8rem}
nav a{display:inline-block;margin:.2rem .9rem .2rem 0}a{color:var(--link)}
.card{background:var(--paper);border:1px solid var(--line);border-radius:.6rem;margin:.75rem 0;overflow:hidden}
.message{display:flex;gap:.6rem;padding:.55rem 1rem}.message>div{min-width:0;flex:1}
.message.reply{padding-left:2.6rem}.message.private{background:var(--tint)}
.initial{flex:none;width:2.25rem;height:2.25rem;border-radius:.4rem;background:var(--initial);color:var(--on);
display:grid;place-items:center}.initial.bot{background:var(--accent)}
.author{margin:0}.mention{color:var(--link);background:color-mix(in srgb,var(--link) 13%,transparent);
border-radius:.2rem;padding:0 .15rem;font-weight:500}
.section{display:flex;gap:.75rem;margin:.4rem 0;align-items:flex-start}.section>div:first-child{flex:1;min-width:0}
.accessory{flex:none;max-width:45%}.fields{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.35rem .75rem}
.context{display:flex;flex-wrap:wrap;gap:.15rem .6rem;color:var(--quiet);font-size:.82rem;margin:.3rem 0}
.context>span{min-width:0;overflow-wrap:anywhere}
.actions{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0;align-items:flex-start}
.button,.select,.field{display:inline-block;border:1px solid var(--line);border-radius:.35rem;padding:.25rem .7rem;
background:var(--paper);max-width:100%;overflow-wrap:anywhere}
.button{font-weight:600;font-size:.9rem}.button.primary{background:var(--accent);border-color:var(--accent);color:var(--on)}
.button.danger{color:var(--danger);border-color:var(--danger)}
.select::after{content:" ▾";color:var(--quiet)}.field,.input .select{display:block;width:100%;min-height:2.1rem}
.field.tall{min-height:5rem}.field i,.select i{color:var(--quiet);font-style:normal}
.input{margin:.8rem 0}.input label{display:block;font-weight:700;margin-bottom:.25rem}.input>small{display:block}
.choice small{display:block;margin-left:1.4rem}.reaction{display:inline-block;border:1px solid var(--line);
border-radius:1rem;padding:0 .5rem;margin:.25rem .3rem 0 0;font-size:.85rem}
.image{display:inline-grid;place-items:center;width:5.5rem;height:5.5rem;border:1px dashed var(--quiet);
border-radius:.4rem;color:var(--quiet);font-size:.75rem;text-align:center;padding:.25rem;overflow:hidden}
.picture .image{width:100%}
.context .image{width:auto;height:1.3rem;padding:0 .3rem}
hr{border:0;border-top:1px solid var(--line);margin:.7rem 0}
pre{background:var(--page);border:1px solid var(--line);border-radius:.3rem;padding:.4rem .6rem;
white-space:pre-wrap;margin:.3rem 0}
code{background:var(--page);border:1px solid var(--line);border-radius:.2rem;padding:0 .2rem;color:var(--danger)}
q{display:block;quotes:none;border-left:4px solid var(--line);padding-left:.6rem;margin:.15rem 0}
details{font-size:.82rem;color:var(--quiet)}details ul{margin:.2rem 0;padding-left:1.2rem}
.home,.modal>div{padding:.5rem 1rem}.modal{max-width:32.5rem;margin:1rem auto;border:1px solid var(--line);
border-radius:.5rem}.modal h4{padding:.6rem 1rem;margin:0;
border-bottom:1px solid var(--line)}.modal footer{display:flex;justify-content:flex-end;gap:.5rem;padding:.75rem 1rem;
border-top:1px solid var(--line)}
@media (max-width:36rem){.modal{border:0;margin:0}}
.empty{color:var(--quiet);padding:.6rem 1rem}
"""

pages = APIRouter()


@pages.get("/")
async def show(request: Request, team: str | None = None) -> HTMLResponse:
    """The first workspace, unless another is asked for."""
    drivers = request.app.state.drivers
    driver = drivers.get(team, request.app.state.slack)
    links = "".join(
        f"<a href='/?team={escape(one)}'>{escape(each.workspace.name)}</a>" for one, each in drivers.items()
    )
    return _page(driver.workspace, links if len(drivers) > 1 else "")


def _page(workspace: Workspace, links: str) -> HTMLResponse:
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(workspace.name)}</title>"
    head += f"<meta name=viewport content='width=device-width,initial-scale=1'><style>{_STYLE}</style>"
    title = f"<h1>{escape(workspace.name)}</h1><p><small>What this sandbox of Slack was told to show.</small></p>"
    return HTMLResponse(
        f"{head}<main>{title}<nav>{links}{_jumps()}</nav>{_sections(workspace)}</main>", headers=_HEADERS
    )


def _jumps() -> str:
    places = {"modals": "Modals", "homes": "Home tabs", "direct": "Direct messages", "channels": "Channels"}
    return "".join(f"<a href='#{place}'>{name}</a>" for place, name in places.items())


def _sections(workspace: Workspace) -> str:
    records, names = workspace.records, _names(workspace)
    talked = [one for one in records.conversations.values() if one.messages or one.ephemerals]
    modals = [
        _card(f"On {names[user]}'s screen", rendering.modal(view, names))
        for user, stack in records.modals.items()
        for view in stack
    ]
    homes = [_card(f"{names[user]}'s home tab", rendering.home(view, names)) for user, view in records.homes.items()]
    direct = [_card(_partners(one, names), _talk(one, names)) for one in talked if one.kind in ("im", "mpim")]
    channels = [_card(f"# {one.name}", _talk(one, names)) for one in talked if one.kind in ("channel", "group")]
    return (
        _section("modals", "Open modals", modals)
        + _section("homes", "Home tabs", homes)
        + _section("direct", "Direct messages", direct)
        + _section("channels", "Channels", channels)
    )


def _names(workspace: Workspace) -> Names:
    users = {one.id: one.real_name for one in workspace.records.users.values()}
    return users | {one.id: one.name for one in workspace.records.conversations.values()}


def _partners(conversation: Conversation, names: Names) -> str:
    return " and ".join(names[one] for one in conversation.members)


def _section(place: str, title: str, cards: Iterable[str]) -> str:
    content = "".join(cards) or "<div class='card empty'>Nothing yet.</div>"
    return f"<h2 id={place}>{title}</h2>{content}"


def _card(title: str, content: str) -> str:
    return f"<section class=card><h3>{escape(title)}</h3>{content}</section>"


def _talk(conversation: Conversation, names: Names) -> str:
    """The last messages in their order, each thread under its first one."""
    said = [*conversation.messages.values(), *conversation.ephemerals]
    said.sort(key=lambda one: (str(one.get("thread_ts") or one["ts"]), str(one["ts"])))
    return "".join(rendering.message(one, names) for one in said[-MESSAGES_MAX:])
