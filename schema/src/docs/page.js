'use strict';
(() => {
  const search = document.getElementById('search');
  const hits = document.getElementById('hits');
  const nothing = document.getElementById('nothing');
  const menu = document.querySelector('nav details');
  const whole = document.querySelector('.whole');
  const entries = [...document.querySelectorAll('.entry')].map(section => ({
    section,
    link: document.querySelector(`nav a[href="#${CSS.escape(section.id)}"]`).parentElement,
    title: section.querySelector('h2').textContent.toLowerCase(),
    text: section.textContent.toLowerCase(),
    rows: [...section.querySelectorAll('tbody tr')].map(row => ({ row, text: row.textContent.toLowerCase() })),
  }));

  // Every word must be somewhere in an entry. A row in which all of them are is marked.
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(word => word !== '');
    const has = text => words.every(word => text.includes(word));
    let found = 0;
    for (const { section, link, text, rows } of entries) {
      const is_found = has(text);
      found += is_found ? 1 : 0;
      section.hidden = link.hidden = !is_found;
      for (const { row, text } of rows) {
        row.classList.toggle('hit', words.length > 0 && has(text));
      }
    }
    if (whole) whole.hidden = words.length > 0;
    nothing.hidden = found > 0 || words.length === 0;
    hits.textContent = words.length === 0 ? '' : `${found} of ${entries.length}`;
  };
  // Those whose names have the words come first.
  const best = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    const shown = entries.filter(({ section }) => !section.hidden);
    return shown.find(({ title }) => words.every(word => title.includes(word))) || shown[0];
  };
  const clear = () => {
    search.value = '';
    filter();
  };
  document.querySelector('.search').hidden = false;
  search.addEventListener('input', filter);
  search.addEventListener('keydown', event => {
    if (event.key === 'Escape') clear();
  });
  document.querySelector('.search').addEventListener('submit', event => {
    event.preventDefault();
    const first = best();
    if (search.value.trim() !== '' && first) {
      first.section.querySelector('a, pre').focus();
      first.section.scrollIntoView();
    }
  });
  document.addEventListener('keydown', event => {
    const is_writing = event.target.matches('input, textarea, select, [contenteditable]');
    if (event.key === '/' && !is_writing && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  // A link to an entry that the search hides shows it again.
  const arrive = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest('[hidden]')) {
      clear();
      target.scrollIntoView();
    }
  };
  addEventListener('hashchange', arrive);
  if (matchMedia('(max-width: 59.99rem)').matches) {
    menu.open = false;
    menu.addEventListener('click', event => {
      if (event.target.closest('a')) menu.open = false;
    });
  }
  // A browser keeps what was typed when the page is loaded again.
  filter();

  for (const figure of document.querySelectorAll('.picture')) {
    const canvas = figure.querySelector('.canvas');
    const svg = figure.querySelector('svg');
    const [width, height] = [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
    svg.style.maxWidth = `${width}px`;
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    let view = { x: 0, y: 0, zoom: 1 };
    const show = () => {
      const [w, h] = [width / view.zoom, height / view.zoom];
      view.x = Math.max(0, Math.min(width - w, view.x));
      view.y = Math.max(0, Math.min(height - h, view.y));
      svg.setAttribute('viewBox', `${view.x} ${view.y} ${w} ${h}`);
      canvas.classList.toggle('zoomed', view.zoom > 1);
    };
    // Around a point, given in parts of what is seen.
    const zoom = (factor, px = 0.5, py = 0.5) => {
      const next = Math.max(1, Math.min(40, view.zoom * factor));
      view.x += px * (width / view.zoom - width / next);
      view.y += py * (height / view.zoom - height / next);
      view.zoom = next;
      show();
    };
    const move = (dx, dy) => {
      view.x += dx * width / view.zoom;
      view.y += dy * height / view.zoom;
      show();
    };
    const all = () => {
      view = { x: 0, y: 0, zoom: 1 };
      show();
    };
    const actions = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), all };
    figure.querySelector('.tools').hidden = false;
    figure.addEventListener('click', event => {
      const button = event.target.closest('button[data-zoom]');
      if (button) actions[button.dataset.zoom]();
    });
    const keys = {
      '+': actions.in, '=': actions.in, '-': actions.out, '0': all,
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
      ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    };
    canvas.addEventListener('keydown', event => {
      const is_arrow = event.key.startsWith('Arrow');
      // While all is seen, the arrows scroll the page as they always do.
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys) || is_arrow && view.zoom === 1) return;
      event.preventDefault();
      keys[event.key]();
    });
    canvas.addEventListener('wheel', event => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    let drag = null;
    svg.addEventListener('pointerdown', event => {
      if (view.zoom > 1 && event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
    });
    addEventListener('pointermove', event => {
      if (!drag) return;
      const box = svg.getBoundingClientRect();
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      move(-dx / box.width, -dy / box.height);
      drag = { x: event.clientX, y: event.clientY, moved: true };
    });
    addEventListener('pointerup', () => {
      // The click that ends a drag is no click on a table.
      if (drag && drag.moved) svg.addEventListener('click', event => event.preventDefault(), { once: true, capture: true });
      drag = null;
    });
    svg.addEventListener('dragstart', event => event.preventDefault());
  }
})();
