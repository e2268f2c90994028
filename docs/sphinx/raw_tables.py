"""Tables of results as HTML from the start: the site's builder would make some nodes of every cell."""

import re

from markdown_it import MarkdownIt

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=\S+</td>)")  # where a line may not end
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_READER = MarkdownIt("commonmark", {"html": False}).enable("table")


def with_raw_tables(text: str) -> str:
    r"""Return a page whose tables are HTML, in which the builder resolves no links and searches no words.

    >>> print(with_raw_tables("before\n\n| arm | time |\n|:--|--:|\n| `grad` | 9 ms |\n\nafter\n"))
    before
    <BLANKLINE>
    <div class="table-wrapper"><table class="docutils">
    <thead>
    <tr>
    <th style="text-align:left">arm</th>
    <th style="text-align:right">time</th>
    </tr>
    </thead>
    <tbody>
    <tr>
    <td style="text-align:left"><code>grad</code></td>
    <td style="text-align:right">9&nbsp;ms</td>
    </tr>
    </tbody>
    </table></div>
    <BLANKLINE>
    after
    <BLANKLINE>
    """
    return _TABLE.sub(lambda table: _as_html(table[0]), text)


def _as_html(table: str) -> str:
    html = _READER.render(table).replace("<table>", '<table class="docutils">').strip()
    return f'<div class="table-wrapper">{_BEFORE_UNIT.sub("&nbsp;", html)}</div>\n'
