(function () {
  "use strict";
  var table = document.getElementById("all"), body = table.tBodies[0];
  var rows = Array.prototype.slice.call(body.rows);
  var words = rows.map(function (row) { return row.textContent.toLowerCase(); });
  var units = { B: 1, KiB: 1024, MiB: 1048576, GiB: 1073741824, TiB: 1099511627776 };
  function value(row, column) {
    var text = row.cells[column].textContent, parts = /^([-+]?[\d.,]+) ?(\w*)/.exec(text);
    return text === "-" ? null : parts ? parseFloat(parts[1].replace(/,/g, "")) * (units[parts[2]] || 1) : text;
  }
  function compare(a, b) {
    if (typeof a === typeof b) { return a < b ? -1 : a > b ? 1 : 0; }
    return typeof a === "number" ? -1 : 1;
  }
  var search = document.createElement("input"), count = document.createElement("span");
  search.type = "search";
  search.placeholder = "search, as in: vit timm";
  search.setAttribute("aria-label", "search the table");
  count.className = "quiet";
  count.setAttribute("aria-live", "polite");
  function filter() {
    var wanted = search.value.toLowerCase().split(/\s+/), shown = 0;
    rows.forEach(function (row, index) {
      var fits = wanted.every(function (word) { return words[index].indexOf(word) >= 0; });
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = " " + shown + " of " + rows.length;
  }
  search.addEventListener("input", filter);
  var line = document.getElementById("search");
  line.appendChild(search);
  line.appendChild(count);
  Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("click", function () {
      var turn = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
      if (column < 2 && !head.hasAttribute("aria-sort")) { turn = 1; }
      Array.prototype.forEach.call(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
      rows.map(function (row, index) { return [value(row, column), index, row]; }).sort(function (a, b) {
        if (a[0] === null || b[0] === null) { return (a[0] === null) - (b[0] === null) || a[1] - b[1]; }
        return turn * compare(a[0], b[0]) || a[1] - b[1];
      }).forEach(function (each) { body.appendChild(each[2]); });
    });
  });
  filter();
})();
