/** Whether what the page shows is what is: the stream of events is up, and the last look brought an answer. */
import type { Announcer } from "./announcer.ts"
import { button, element, setText } from "./elements.ts"
import type { Link } from "./live.ts"

export interface Options {
  readonly announcer: Announcer
  readonly onRetry: () => void
}

export interface Connection {
  readonly element: HTMLElement
  readonly setLink: (link: Link) => void
  readonly setFresh: (isFresh: boolean) => void
}

const words: Readonly<Record<Link, string>> = {
  connecting: "Connecting …",
  live: "Live",
  lost: "Offline. What you see may be old."
}

export const makeConnection = ({ announcer, onRetry }: Options): Connection => {
  const sign = element("span", { class: "link", "data-link": "connecting" }, words.connecting)
  const retry = button(["Retry now"], onRetry, { class: "quiet", hidden: true })
  let link: Link = "connecting"
  let isFresh = true

  const show = () => {
    const next = isFresh ? link : "lost"
    const before = sign.dataset["link"]
    if (next === before) return
    if (next === "lost") announcer.say("The connection is lost. Trying again.")
    if (before === "lost" && next === "live") announcer.say("Connected again.")
    sign.dataset["link"] = next
    setText(sign, words[next])
    retry.hidden = next !== "lost"
  }

  return {
    element: element("p", { class: "connection" }, sign, retry),
    setLink: (next) => {
      link = next
      show()
    },
    setFresh: (next) => {
      isFresh = next
      show()
    }
  }
}
