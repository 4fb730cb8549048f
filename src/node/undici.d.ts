// undici's front door loads its fetch, WebSocket and cache too, at three times the time and 13 MB: this door does not.
declare module "undici/lib/dispatcher/agent.js" {
  import { Agent } from "undici"
  export default Agent
}
