import { defineConfig, type Plugin } from 'vite'

/**
 * CodeMirror writes its rules into a `<style>` element, which the page's content security policy
 * forbids. Its style module can fill a constructed sheet instead, which needs no permission, but
 * does so only inside a shadow root.
 */
function constructedStyles(): Plugin {
  const wanted = '!root.head && root.adoptedStyleSheets'
  return {
    name: 'constructed-styles',
    transform(code, id) {
      if (!/style-mod[^/]*\.js$/.test(id.split('?')[0]!)) return null
      if (!code.includes(wanted)) throw new Error('style-mod has changed: look again at how it mounts')
      return { code: code.replace(wanted, 'root.adoptedStyleSheets'), map: null }
    },
  }
}

/** The script draws the whole page: painting before it ran would flash the wrong theme. */
function paintOnce(): Plugin {
  return {
    name: 'paint-once',
    transformIndexHtml: {
      order: 'post',
      handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
    },
  }
}

/** Packages call their entry `dist` or `index`; the package's name says more. */
function chunkName(chunk: { name: string; moduleIds: string[] }): string {
  const last = chunk.moduleIds.at(-1) ?? ''
  const inPackage = /.*node_modules\/(?:@[^/]+\/)?([^/]+)\//.exec(last)?.[1]
  const name = /^(dist|index|src)$/.test(chunk.name) ? (inPackage ?? chunk.name) : chunk.name
  return `assets/${name}-[hash].js`
}

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [constructedStyles(), paintOnce()],
  build: {
    target: ['chrome123', 'firefox128', 'safari17.5'],
    assetsInlineLimit: 0,
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { comments: { legal: false }, chunkFileNames: chunkName } },
  },
  server: {
    port: 4890,
    proxy: {
      '/api': 'http://127.0.0.1:4880',
      '/readyz': 'http://127.0.0.1:4880',
      '/yjs': { target: 'ws://127.0.0.1:4880', ws: true },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0])
