/** Whether campaigns run at full size, as `npm run campaign` runs them. */
export const isFull = process.env["VARGATE_FULL_CAMPAIGNS"] !== undefined
