"""What stands in a widget's border."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from mlxtui.tui.text import one_line


def entitle(widget: Widget, title: str, subtitle: str = "") -> None:
    """Set what has changed, for the whole widget is drawn anew by it; untrusted text is harmless here."""
    title, subtitle = one_line(title), one_line(subtitle)
    if (widget.border_title or "") != Content(title).markup:
        widget.border_title = Content(title)
    if (widget.border_subtitle or "") != Content(subtitle).markup:
        widget.border_subtitle = Content(subtitle)
