import { Rope } from './ui/icons'

export function NotFound({ title, why }: { title: string; why: string }) {
  document.title = `${title} · Ropewalk`
  return (
    <main class="blank whole">
      <div class="art"><Rope /></div>
      <h1>{title}</h1>
      <p>{why}</p>
      <div class="acts"><a class="button" href="/">All documents</a></div>
    </main>
  )
}
