// What a hostile page tries. `attempts` has a function for each way, which gets the target and returns all that the page could
// read of the answers, as texts: there should be none. Whether anything was changed, only the server can say.
//
// target: { ca: origin of the server, http: the one of its other side, reads: paths, writes: [{ method, path, type, body }],
//           consent: fields of the answer on the consent page }
"use strict";

const PATIENCE = 2500; // ms for what may never end, or ends unseen; everything is on this machine
const TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

// What can be said of an answer by a page that may not read it.
async function read(promise) {
  let answer;
  try {
    answer = await promise;
  } catch {
    return [];
  }
  if (answer.type === "opaque" || answer.type === "opaqueredirect") {
    const text = await answer.text();
    return answer.status || text || [...answer.headers].length ? [`opaque: ${answer.status} ${text}`] : [];
  }
  return [`${answer.url} ${answer.type} ${answer.status} ${await answer.text()}`];
}

async function all(list, one) {
  return (await Promise.all(list.map(one))).flat();
}

// An element that loads something, until it has or has not.
function loaded(element, parent = document.body) {
  return new Promise((resolve) => {
    const end = () => resolve(element);
    element.addEventListener("load", end);
    element.addEventListener("loadedmetadata", end);
    element.addEventListener("error", end);
    setTimeout(end, PATIENCE);
    parent.append(element);
  });
}

function make(name, attributes) {
  const element = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  return element;
}

// What a page can see of another window or frame.
function seen(other, name) {
  const found = [];
  for (const look of [
    // A frame or window from which nothing came but a download is still the page's own.
    () => other.location.href !== "about:blank" && other.document.documentElement.outerHTML,
    () => other.location.href !== "about:blank" && other.location.href,
    () => other.localStorage.length,
  ]) {
    try {
      const value = look();
      if (value) found.push(`${name}: ${value}`);
    } catch {
      // refused, as it should be
    }
  }
  return found;
}

// A form that sends `fields` into a new frame or window of the page.
function submit(url, method, fields, enctype, into) {
  const form = make("form", { action: url, method, target: into });
  form.enctype = enctype;
  fields.forEach(([name, value]) => form.append(make("input", { type: "hidden", name, value })));
  document.body.append(form);
  form.submit();
}

async function submitEverywhere(target, enctype, how) {
  const sends = [
    ...target.writes.map((one) => [target.ca + one.path, fieldsOf(one.body, enctype)]),
    ...target.writes.map((one) => [`${target.ca}${one.path}?_method=${one.method}`, [["_method", one.method]]]),
    [`${target.ca}/cors`, Object.entries(target.consent)],
  ];
  const opened = sends.map(([url, fields]) => {
    const name = `w${Math.random()}`;
    let other;
    if (how === "window") {
      other = window.open("about:blank", name);
    } else {
      const frame = make("iframe", { name });
      document.body.append(frame);
      other = frame.contentWindow;
    }
    submit(url, "POST", fields, enctype, name);
    return [other, url];
  });
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const found = opened.flatMap(([other, url]) => seen(other, url));
  if (how === "window") opened.forEach(([other]) => other && other.close());
  return found;
}

// JSON as the text/plain encoding lets one send it: the name of a field is its beginning, the value its end.
function fieldsOf(body, enctype) {
  if (enctype !== "text/plain" || !body.includes("}")) return [["body", body]];
  const end = body.lastIndexOf("}");
  return [[`${body.slice(0, end)},"x":"`, `"${body.slice(end)}`]];
}

function withFetch(options) {
  return (target) =>
    all(target.writes, (one) =>
      read(fetch(target.ca + one.path, {
        method: one.method,
        body: one.body || undefined,
        headers: one.type ? { "Content-Type": one.type } : {},
        ...options,
      })),
    );
}

function withElement(name, attribute, more = {}) {
  return async (target) => {
    const elements = await Promise.all(
      target.reads.map((path) => loaded(make(name, { ...more, [attribute]: target.ca + path }))),
    );
    return elements.flatMap((element) => [
      ...seen(element.contentWindow, element[attribute]),
      ...(element.naturalWidth || element.videoWidth || element.duration ? [`${element[attribute]} has a size`] : []),
      ...(element.sheet ? rules(element.sheet) : []),
    ]);
  };
}

function rules(sheet) {
  try {
    return [...sheet.cssRules].map((rule) => rule.cssText);
  } catch {
    return [];
  }
}

const attempts = {
  "fetch, with credentials": withFetch({ credentials: "include" }),
  "fetch, without credentials": withFetch({ credentials: "omit" }),
  "fetch, without a referrer": withFetch({ credentials: "include", referrerPolicy: "no-referrer" }),
  "fetch, kept alive": withFetch({ credentials: "include", keepalive: true }),
  "fetch, reading": (target) =>
    all(target.reads, (path) => read(fetch(target.ca + path, { credentials: "include" }))),
  "fetch, reading without CORS": (target) =>
    all(target.reads, (path) => read(fetch(target.ca + path, { credentials: "include", mode: "no-cors" }))),
  "fetch, reading without a referrer": (target) =>
    all(target.reads, (path) =>
      read(fetch(target.ca + path, { credentials: "include", referrerPolicy: "no-referrer" }))),
  "fetch, redirected": (target) =>
    all(target.reads, (path) =>
      read(fetch(target.ca + path, { credentials: "include", mode: "no-cors", redirect: "manual" }))),
  "fetch, POST without CORS": (target) =>
    all(TYPES.flatMap((type) => target.writes.map((one) => ({ ...one, type }))), (one) =>
      read(fetch(target.ca + one.path, {
        method: "POST",
        mode: "no-cors",
        credentials: "include",
        headers: { "Content-Type": one.type },
        body: one.body,
      }))),
  "fetch, the user's consent": (target) =>
    all(["cors", "no-cors"], (mode) =>
      read(fetch(`${target.ca}/cors`, {
        method: "POST", mode, credentials: "include", body: new URLSearchParams(target.consent),
      }))),
  "fetch, another method by a header": (target) =>
    all(target.writes, (one) =>
      read(fetch(target.ca + one.path, {
        method: "POST",
        credentials: "include",
        headers: { "X-HTTP-Method-Override": one.method, "Content-Type": one.type || "text/plain" },
        body: one.body,
      }))),
  "fetch, HEAD": (target) =>
    all(["cors", "no-cors"].flatMap((mode) => target.reads.map((path) => [mode, path])), ([mode, path]) =>
      read(fetch(target.ca + path, { method: "HEAD", mode, credentials: "include" }))),
  // Which methods there are is no secret: what is sent of it is in the documents that are open to all.
  "fetch, OPTIONS": async (target) =>
    (await all([...target.reads, ...target.writes.map((one) => one.path)], (path) =>
      read(fetch(target.ca + path, { method: "OPTIONS", credentials: "include" }))))
      .filter((text) => !/ cors 204 $/.test(text)),
  "fetch, the other side": (target) =>
    all(target.writes, (one) =>
      read(fetch(target.http + one.path, { method: one.method, body: one.body || undefined, credentials: "include" }))),
  "XMLHttpRequest": (target) =>
    all(target.writes, (one) => new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.withCredentials = true;
      request.onloadend = () =>
        resolve(request.status || request.responseText || request.getAllResponseHeaders()
          ? [`${request.status} ${request.responseText}`] : []);
      request.open(one.method, target.ca + one.path);
      if (one.type) request.setRequestHeader("Content-Type", one.type);
      request.send(one.body || null);
    })),
  "sendBeacon": async (target) => {
    target.writes.forEach((one) => {
      navigator.sendBeacon(target.ca + one.path, one.body);
      navigator.sendBeacon(target.ca + one.path, new Blob([one.body], { type: "text/plain" }));
    });
    navigator.sendBeacon(`${target.ca}/cors`, new URLSearchParams(target.consent));
    return [];
  },
  "forms in frames, urlencoded": (target) => submitEverywhere(target, "application/x-www-form-urlencoded", "frame"),
  "forms in frames, multipart": (target) => submitEverywhere(target, "multipart/form-data", "frame"),
  "forms in frames, JSON as text": (target) => submitEverywhere(target, "text/plain", "frame"),
  "forms in windows, JSON as text": (target) => submitEverywhere(target, "text/plain", "window"),
  "forms without a referrer": async (target) => {
    document.head.append(make("meta", { name: "referrer", content: "no-referrer" }));
    return submitEverywhere(target, "application/x-www-form-urlencoded", "frame");
  },
  "img": withElement("img", "src"),
  "img, with CORS": withElement("img", "src", { crossorigin: "use-credentials" }),
  "video": withElement("video", "src"),
  "audio": withElement("audio", "src"),
  "script": async (target) => {
    const told = [];
    const before = new Set(Object.getOwnPropertyNames(window));
    const listen = (event) => told.push(event.message);
    window.addEventListener("error", listen);
    await withElement("script", "src")(target);
    window.removeEventListener("error", listen);
    return [
      ...told.filter((text) => text && text !== "Script error."),
      ...Object.getOwnPropertyNames(window).filter((name) => !before.has(name) && !/^\d+$/.test(name)), // without frames
    ];
  },
  "script, as a module": withElement("script", "src", { type: "module", crossorigin: "use-credentials" }),
  "import": (target) =>
    all(target.reads, (path) => import(target.ca + path).then((module) => [Object.keys(module).join()], () => [])),
  "stylesheet": withElement("link", "href", { rel: "stylesheet" }),
  "stylesheet, imported": async (target) => {
    const style = make("style", {});
    style.textContent = target.reads.map((path) => `@import url("${target.ca}${path}");`).join("\n");
    await loaded(style);
    return [...style.sheet.cssRules].flatMap((rule) => (rule.styleSheet ? rules(rule.styleSheet) : []));
  },
  "prefetch": withElement("link", "href", { rel: "prefetch" }),
  "iframe": withElement("iframe", "src"),
  "iframe, in a sandbox": withElement("iframe", "src", { sandbox: "allow-scripts allow-forms allow-same-origin" }),
  "object": withElement("object", "data"),
  "embed": withElement("embed", "src"),
  "window.open": async (target) => {
    const opened = target.reads.map((path) => [window.open(target.ca + path), path]);
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    return opened.flatMap(([other, path]) => {
      const found = seen(other, path);
      if (other) {
        other.postMessage({ method: "PUT", action: "sign" }, "*");
        try {
          // It would run as the page that it is about to leave.
          other.location = "javascript:fetch(location.href, {method: 'DELETE'})";
        } catch {
          // refused
        }
        other.close();
      }
      return found;
    });
  },
  "WebSocket": (target) =>
    all(target.reads, (path) => new Promise((resolve) => {
      const socket = new WebSocket(target.ca.replace("http", "ws") + path);
      socket.onopen = () => resolve([`${path} is open`]);
      socket.onmessage = (event) => resolve([String(event.data)]);
      socket.onclose = () => resolve([]);
      setTimeout(() => resolve([]), PATIENCE);
    })),
  "EventSource": (target) =>
    all(target.reads, (path) => new Promise((resolve) => {
      const source = new EventSource(target.ca + path, { withCredentials: true });
      source.onopen = () => resolve([`${path} is open`]);
      source.onmessage = (event) => resolve([String(event.data)]);
      source.onerror = () => {
        source.close();
        resolve([]);
      };
    })),
  "Worker": (target) =>
    all(target.reads, async (path) => {
      try {
        new Worker(target.ca + path);
        return [`${path} is a worker`];
      } catch {
        return [];
      }
    }),
  "resource timing": async (target) => {
    await all(target.reads, (path) => read(fetch(target.ca + path, { credentials: "include", mode: "no-cors" })));
    return performance
      .getEntriesByType("resource")
      .filter((entry) => entry.name.startsWith(target.ca) && (entry.decodedBodySize || entry.requestStart))
      .map((entry) => `${entry.name}: ${entry.decodedBodySize} bytes`);
  },
};

// Some take a while to be sure that nothing comes: so all of them at once.
async function attempt(target) {
  return all(Object.entries(attempts), async ([name, one]) => {
    try {
      return (await one(target)).map((text) => `${name}: ${text}`);
    } catch (error) {
      return [`${name} could not be tried: ${error}`];
    }
  });
}
