// undici's main entry point loads its fetch, WebSocket and cache too, at three times the time and 13 MB: this one does
// not.
declare module "undici/lib/dispatcher/agent.js" {
  import { Agent } from "undici"
  export default Agent
}
