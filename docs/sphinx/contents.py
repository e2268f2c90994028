"""The site's table of contents, from the lists of pages that the documents show anyway.

A list of links after `<!-- contents -->` names pages of the site; `<!-- contents: Tutorial -->` gives them a
caption in the sidebar. The list stays as it is, so that the file reads alike where nothing is built.
"""

import re

_LIST = re.compile(
    r"^<!-- contents(?:: (?P<caption>[^\n]+?))? -->\n\n?(?P<links>(?:- \[.+\]\(.+\.md\)\n)+)", re.MULTILINE
)
_LINK = re.compile(r"^- \[(?P<title>.+)\]\((?P<path>.+)\.md\)$", re.MULTILINE)


def with_contents(text: str) -> str:
    r"""Return a page with a hidden `toctree` after each list of pages.

    >>> print(with_contents("<!-- contents: How to -->\n- [GPU](cuda.md)\n"))
    - [GPU](cuda.md)
    <BLANKLINE>
    ```{toctree}
    :hidden:
    :caption: How to
    <BLANKLINE>
    GPU <cuda>
    ```
    <BLANKLINE>
    """
    return _LIST.sub(_with_tree, text)


def _with_tree(match: re.Match[str]) -> str:
    caption = f":caption: {match['caption']}\n" if match["caption"] else ""
    entries = "\n".join(f"{link['title']} <{link['path']}>" for link in _LINK.finditer(match["links"]))
    return f"{match['links']}\n```{{toctree}}\n:hidden:\n{caption}\n{entries}\n```\n"
