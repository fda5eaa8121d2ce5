/** This file is the style sheet of all pages: plain, readable, and like nobody's brand. */
export const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; background: Canvas; color: CanvasText }
.banner { margin: 0; padding: .5rem 1rem; background: #7a3e00; color: #fff; font-weight: 600; text-align: center; letter-spacing: .04em }
main { max-width: 34rem; margin: 2rem auto; padding: 0 1rem }
main:has(table) { max-width: 64rem }
h1 { font-size: 1.5rem }
form { margin: 0 0 .75rem }
label { display: block; margin: .75rem 0 }
input[type=text], input[type=password] { display: block; box-sizing: border-box; width: 100%; padding: .6rem; font: inherit }
button { padding: .6rem 1rem; font: inherit; cursor: pointer; border: 1px solid #8888; border-radius: .3rem }
button.tile { display: block; width: 100%; text-align: left; background: #8881 }
button.primary { background: #0b5c4b; color: #fff }
button.tile small, .muted { display: block; opacity: .75 }
.row { display: flex; gap: .5rem; flex-wrap: wrap }
.error { border-left: .3rem solid #b3261e; padding: .5rem .75rem; background: #b3261e18 }
dt { font-weight: 600 } dd { margin: 0 0 .5rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem } th, td { text-align: left; padding: .3rem .5rem; border-bottom: 1px solid #8884; vertical-align: top }
pre { overflow-x: auto; padding: .75rem; background: #8881 }
iframe { display: none }
`
