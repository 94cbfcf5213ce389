#include "html/page.h"

namespace stkit::html {

// Rows come as arrays in the order of `columns`; text reaches the page through textContent only.
const std::string_view kScript = R"js(
(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('tensors').textContent);
  const pageSize = 100;
  const byId = id => document.getElementById(id);
  const grouped = n => n.toLocaleString('en-US');
  const bytes = n => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) { n /= 1024; ++unit; }
    return (unit === 0 ? n : Number(n.toPrecision(n >= 1000 ? 4 : 3))) + ' ' + units[unit];
  };
  const short = n => n === 0 ? '0'
    : Math.abs(n) >= 1e-3 && Math.abs(n) < 1e5 ? String(Number(n.toPrecision(5))) : n.toExponential(3);
  const show = {
    text: v => v, dtype: v => data.dtypes[v], file: v => data.files[v],
    shape: v => '[' + v.join(', ') + ']', count: grouped, bytes, real: short, fault: grouped,
  };
  const natural = new Intl.Collator('en', { numeric: true });
  const collated = { text: 1, dtype: 1, file: 1 };
  const product = v => v.filter(Number.isFinite).reduce((a, b) => a * b, 1);
  const compare = (column, a, b) => {
    if (collated[column.kind]) return natural.compare(show[column.kind](a), show[column.kind](b));
    if (column.kind === 'shape') return product(a) - product(b);
    return (a === null ? -Infinity : a) - (b === null ? -Infinity : b);
  };

  let rows = data.rows, page = 0, sorted = -1, descending = false;

  const draw = () => {
    const pages = Math.max(1, Math.ceil(rows.length / pageSize));
    page = Math.min(Math.max(page, 0), pages - 1);
    const body = document.createElement('tbody');
    for (const row of rows.slice(page * pageSize, (page + 1) * pageSize)) {
      const tr = body.insertRow();
      data.columns.forEach((column, i) => {
        const td = tr.insertCell();
        const value = row[i];
        td.textContent = value === null ? '' : show[column.kind](value);
        if (i === 0) td.className = 'name mono';
        else if (!collated[column.kind]) td.className = 'number';
        if (column.kind === 'fault' && value > 0) td.className += ' bad';
      });
    }
    byId('rows').replaceChildren(...body.children);
    byId('shown').textContent = grouped(rows.length) + (rows.length === 1 ? ' tensor' : ' tensors');
    byId('page').textContent = 'page ' + (page + 1) + ' of ' + pages;
    byId('previous').disabled = page === 0;
    byId('next').disabled = page === pages - 1;
  };

  const select = () => {
    const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const dtype = byId('dtype').value;
    rows = data.rows.filter(row =>
      (dtype === '' || data.dtypes[row[1]] === dtype) &&
      words.every(word => row[0].toLowerCase().includes(word)));
    if (sorted >= 0) {
      const column = data.columns[sorted], sign = descending ? -1 : 1;
      rows.sort((a, b) => sign * compare(column, a[sorted], b[sorted]));
    }
    page = 0;
    draw();
  };

  data.columns.forEach((column, i) => {
    const th = document.createElement('th'), button = document.createElement('button');
    button.textContent = column.title;
    button.type = 'button';
    if (i > 0 && !collated[column.kind]) th.className = 'number';
    button.onclick = () => {
      descending = sorted === i ? !descending : !collated[column.kind];
      sorted = i;
      for (const other of th.parentNode.children) other.removeAttribute('aria-sort');
      th.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      select();
    };
    th.append(button);
    byId('head').append(th);
  });
  for (const dtype of data.dtypes) byId('dtype').append(new Option(dtype, dtype));
  byId('search').oninput = select;
  byId('dtype').onchange = select;
  byId('previous').onclick = () => { --page; draw(); };
  byId('next').onclick = () => { ++page; draw(); };
  draw();
})();
)js";

}  // namespace stkit::html
