/** Times for readers. */

const second = 1000
const minute = 60 * second

/** How long there is to decide: the nearer the end, the finer. */
export const timeLeft = (milliseconds: number): string => {
  if (milliseconds <= 0) return "time is up"
  const seconds = Math.ceil(milliseconds / second)
  if (milliseconds < minute) return `${seconds} s left`
  if (milliseconds < 10 * minute) {
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min left`
  }
  return milliseconds < 120 * minute
    ? `${Math.floor(milliseconds / minute)} min left`
    : `${Math.floor(milliseconds / (60 * minute))} h left`
}

/** The time of day; the date too where it is another day's. */
export const clockTime = (time: Date, now: Date = new Date()): string => {
  const clock = time.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit", second: "2-digit" })
  return time.toDateString() === now.toDateString()
    ? clock
    : `${time.toLocaleDateString(undefined, { month: "short", day: "numeric" })}, ${clock}`
}
