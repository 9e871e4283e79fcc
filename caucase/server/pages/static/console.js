// Sends to the API what the forms of class "act" say, and says how it went. There is nothing else that needs a script.
"use strict";

const outcome = document.getElementById("outcome");
const failure = document.getElementById("failure");
const controls = document.querySelectorAll("[data-script]");

function setDisabled(disabled) {
  for (const control of controls) control.disabled = disabled;
}

function tell(element, text) {
  element.textContent = text;
  element.hidden = false;
  element.focus();
}

function tellFailure(text) {
  setDisabled(false);
  tell(failure, text);
}

// Why it was refused: the API says it in a sentence.
async function reason(answer) {
  const isSentence = (answer.headers.get("Content-Type") || "").startsWith("text/plain");
  const sentence = isSentence ? await answer.text() : `${answer.status} ${answer.statusText}`;
  return `${answer.status === 401 ? failure.dataset.refused : failure.dataset.failed} ${sentence}`;
}

async function act(form) {
  const { method, url, type, body, done } = form.dataset;
  failure.hidden = true;
  setDisabled(true);
  form.closest("dialog")?.close();
  let answer;
  try {
    answer = await fetch(url, {
      method,
      body: body || null,
      headers: type ? { "Content-Type": type } : {},
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
    });
  } catch {
    tellFailure(failure.dataset.unreachable);
    return;
  }
  if (!answer.ok) {
    tellFailure(await reason(answer));
    return;
  }
  for (const element of document.querySelectorAll("[data-before]")) element.hidden = true;
  for (const element of document.querySelectorAll("[data-after]")) element.hidden = false;
  tell(outcome, done);
}

if (outcome && failure) {
  for (const form of document.querySelectorAll("form.act")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(form);
    });
  }
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
  }
  for (const button of document.querySelectorAll("[data-closes]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  setDisabled(false);
}
