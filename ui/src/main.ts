import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import App from './App.svelte';
import Stopped from './Stopped.svelte';
import { Failure, connect } from './platform';

const target = document.getElementById('app');
if (target) {
  connect().then(
    () => mount(App, { target }),
    (cause: unknown) => mount(Stopped, { target, props: { failure: Failure.from(cause) } }),
  );
}
